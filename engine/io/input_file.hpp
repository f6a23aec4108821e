// A regular file read from its start to its end. Errors: "cannot read: reason", "truncated: …"; the caller
// names the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace cuelbo {

// Fills a prefix of the span and returns its length, 0 at the end of the stream only.
using ByteSource = std::function<std::size_t(std::span<std::byte>)>;

// Fills the span. Error if the source ends before; `what` names what was being read.
void read_exactly(const ByteSource& source, std::span<std::byte> bytes, std::string_view what);

// The next `count` bytes. Memory is taken as bytes arrive, so a false count costs an error and not the
// machine.
std::vector<std::byte> read_bytes(const ByteSource& source, std::uint64_t count, std::string_view what);

class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  std::size_t read(std::span<std::byte> bytes);
  ByteSource source() {
    return [this](std::span<std::byte> bytes) { return read(bytes); };
  }

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

std::vector<std::byte> read_file(const std::filesystem::path& path);

// Error if deflate cannot make `declared` bytes of `compressed` ones (it expands at most 1032-fold): the
// declaration lies.
void check_deflate_ratio(std::uint64_t declared, std::uint64_t compressed);

}  // namespace cuelbo
