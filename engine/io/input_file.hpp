// A file or a pipe, read from its start to its end. Errors: "cannot read: reason", "truncated: …"; the caller
// names the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cuelbo {

// Fills a prefix of the span and returns its length, 0 at the end of the stream only.
using ByteSource = std::function<std::size_t(std::span<std::byte>)>;

// Fills the span. Error if the source ends before; `what` names what was being read.
void read_exactly(const ByteSource& source, std::span<std::byte> bytes, std::string_view what);

// The next `count` bytes. Memory is taken as bytes arrive, so a false count costs an error and not the
// machine.
std::vector<std::byte> read_bytes(const ByteSource& source, std::uint64_t count, std::string_view what);

// The path of standard input.
inline constexpr std::string_view standard_input = "-";

// For messages: "'path'" or "standard input".
std::string input_name(const std::filesystem::path& path);

// Whether the path leads through a descriptor of a process, as /dev/stdin and /proc/self/fd/3 do: another process, or
// another run of this program, finds something else there.
bool names_descriptor(const std::filesystem::path& path);

enum class Pipes { refused, accepted };

class InputFile {
 public:
  // Waits a few seconds for a writer to open a pipe. Errors: cannot be opened, a directory, a device, a pipe that is
  // refused.
  explicit InputFile(const std::filesystem::path& path, Pipes pipes = Pipes::refused);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Bytes of the file; none for a pipe, whose length is unknown until its end.
  std::optional<std::uint64_t> size() const { return size_; }

  // Whether path() can be opened again and yields the same bytes.
  bool reopens() const { return size_.has_value() && path_ != standard_input; }

  // The first bytes, without consuming them; fewer than `count` if the file ends before.
  std::span<const std::byte> peek(std::size_t count);

  std::size_t read(std::span<std::byte> bytes);
  ByteSource source() {
    return [this](std::span<std::byte> bytes) { return read(bytes); };
  }

  // The whole content, if nothing has been read yet.
  std::vector<std::byte> read_all();

 private:
  std::size_t read_descriptor(std::span<std::byte> bytes);

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::optional<std::uint64_t> size_;
  bool has_writer_ = true;         // a pipe's other end has been open
  std::vector<std::byte> peeked_;  // read from the descriptor and not yet given
};

std::vector<std::byte> read_file(const std::filesystem::path& path, Pipes pipes = Pipes::refused);

// Error if deflate cannot expand `compressed` bytes to `declared` ones (the most is 1032-fold): the declared size is
// wrong.
void check_deflate_ratio(std::uint64_t declared, std::uint64_t compressed);

}  // namespace cuelbo
