// A file that appears whole or not at all: bytes go to a temporary file beside it, commit() makes them
// durable (fsync) and renames. Without commit() the temporary file is removed and what stood at the path
// before is untouched. A file that is replaced passes on its permissions and, where possible, its owner; a symbolic
// link stays, and its target is written. Errors: "cannot write 'path': reason".
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/temporary_paths.hpp"

namespace cuelbo {

class AtomicFile {
 public:
  // Also removes temporary files that dead processes left at this path. Error: a missing or unwritable directory, a
  // write-protected file, or something other than a regular file at the path.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  // For a library that seeks while it writes: the file to fill instead of calling write().
  int descriptor() const { return descriptor_; }
  const std::filesystem::path& temporary_path() const { return temporary_; }

  void commit();

 private:
  [[noreturn]] void fail_with(int error) const;
  void create_temporary();
  void flush();
  void write_through(std::span<const std::byte> bytes);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::optional<TemporaryPath> listed_;
  std::vector<std::byte> buffer_;
  int descriptor_ = -1;
  bool committed_ = false;
};

// The whole content at once.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace cuelbo
