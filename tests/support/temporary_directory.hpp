// A fresh directory that goes with its owner, and what is in one.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
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

// The files in a directory and in those below it, where others come and go meanwhile.
inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error, unknown;
  for (auto entry = std::filesystem::recursive_directory_iterator(directory, error);
       !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error))
    if (entry->is_regular_file(unknown)) files.push_back(entry->path());
  return files;
}

}  // namespace cuelbo::test
