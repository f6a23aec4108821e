// A fresh directory that goes with its owner.
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/temporary_paths.hpp"

namespace cuelbo {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) {
      const char* given = std::getenv("TMPDIR");
      fail("TMPDIR is '{}', which is not a directory for temporary files: {}",
           given == nullptr ? "/tmp" : given, error.message());
    }
    std::string name = (folder / "cuelbo-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      fail("cannot make a directory in '{}': {}", folder.string(), std::generic_category().message(errno));
    path_ = name;
    listed_.emplace(path_, TemporaryPath::Kind::directory);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
  std::optional<TemporaryPath> listed_;
};

}  // namespace cuelbo
