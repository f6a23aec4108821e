// The temporary files and directories that this process has on disk, listed where a signal handler can read them.
#pragma once

#include <filesystem>

namespace cuelbo {

// Lists one path while it lives; its owner removes what is there. A path that is too long, or one too many, is not
// listed.
class TemporaryPath {
 public:
  enum class Kind { file, directory };
  TemporaryPath(const std::filesystem::path& path, Kind kind);
  ~TemporaryPath();
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

 private:
  int slot_ = -1;
};

// Removes everything that is listed. For signal handlers of a process that ends: async-signal-safe.
void remove_temporary_paths() noexcept;

}  // namespace cuelbo
