// A fresh directory that goes with its owner, and what is in one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/temporary_directory.hpp"

namespace cuelbo::test {

using cuelbo::TemporaryDirectory;

// Names of what is in a directory: half-written files show here.
inline std::vector<std::string> directory_content(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename());
  return names;
}

}  // namespace cuelbo::test
