// Files that tests read.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include "tests/support/paths.hpp"

namespace cuelbo::test {

// A committed small file.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(source_directory()) / "tests" / "fixtures" / name;
}

// A real data set, which the project does not hold: in the folder that CUELBO_SHARED_DATA names, or beside
// the source.
inline std::filesystem::path shared_data(const std::string& name) {
  const char* folder = std::getenv("CUELBO_SHARED_DATA");
  return (folder != nullptr ? std::filesystem::path(folder)
                            : std::filesystem::path(source_directory()).parent_path() / "shared" / "data") /
         name;
}

// Skips the test, with a message, if a path is not there.
#define CUELBO_SKIP_WITHOUT(path)                                                     \
  if (std::error_code cuelbo_ignored; !std::filesystem::exists(path, cuelbo_ignored)) \
  GTEST_SKIP() << (path).string() << " is not there"

}  // namespace cuelbo::test
