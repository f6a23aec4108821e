#include "engine/io/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/io/array.hpp"

namespace cuelbo {
namespace {

constexpr std::uint64_t chunk_bytes = std::uint64_t{64} << 20;

}  // namespace

void read_exactly(const ByteSource& source, std::span<std::byte> bytes, std::string_view what) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::size_t got = source(bytes.subspan(done));
    if (got == 0) fail("truncated: {} bytes of {} are missing", bytes.size() - done, what);
    done += got;
  }
}

std::vector<std::byte> read_bytes(const ByteSource& source, std::uint64_t count, std::string_view what) {
  check_fits_in_memory(count);
  std::vector<std::byte> data;
  data.reserve(count);  // addresses only; pages are touched by the loop
  while (data.size() < count) {
    const std::size_t done = data.size();
    data.resize(std::min(count, done + chunk_bytes));
    std::size_t filled = done;
    while (filled < data.size()) {
      const std::size_t got = source(std::span(data).subspan(filled));
      if (got == 0) fail("truncated: {} of the {} bytes of {} are missing", count - filled, count, what);
      filled += got;
    }
  }
  return data;
}

InputFile::InputFile(const std::filesystem::path& path) {
  descriptor_ =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without a writer does not block
  if (descriptor_ < 0) fail("cannot read: {}", std::strerror(errno));
  struct stat status = {};
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    fail("cannot read: it is {}", S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { close(descriptor_); }

std::size_t InputFile::read(std::span<std::byte> bytes) {
  while (true) {
    const ssize_t got = ::read(descriptor_, bytes.data(), bytes.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail("cannot read: {}", std::strerror(errno));
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  InputFile file(path);
  return read_bytes(file.source(), file.size(), "the file");
}

void check_deflate_ratio(std::uint64_t declared, std::uint64_t compressed) {
  constexpr std::uint64_t max_ratio = 1032;
  if (declared / max_ratio > compressed)
    fail("declares {} bytes, which {} compressed bytes cannot hold: a damaged file or a zip bomb", declared,
         compressed);
}

}  // namespace cuelbo
