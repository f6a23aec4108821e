#include "engine/io/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/io/array.hpp"

namespace cuelbo {
namespace {

constexpr std::uint64_t chunk_bytes = std::uint64_t{64} << 20;
constexpr int writer_seconds = 10;

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

std::string input_name(const std::filesystem::path& path) {
  return path == standard_input ? "standard input" : fmt::format("'{}'", path.string());
}

bool names_descriptor(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  constexpr int most_links = 40;  // as the kernel follows
  std::error_code error;
  fs::path rest = fs::absolute(path, error);
  for (int links = 0; links < most_links; ++links) {
    fs::path walked;
    auto part = rest.begin();
    for (; part != rest.end(); ++part) {
      const fs::path folder = walked;
      walked /= *part;
      const std::string real = fs::canonical(folder, error).string();
      if (real.starts_with("/proc/") && real.ends_with("/fd")) return true;
      if (!fs::is_symlink(walked, error)) continue;
      walked = folder / fs::read_symlink(walked, error);
      break;
    }
    if (part == rest.end()) return false;
    for (++part; part != rest.end(); ++part) walked /= *part;
    rest = walked;
  }
  return false;
}

InputFile::InputFile(const std::filesystem::path& path, Pipes pipes) : path_(path) {
  const bool standard = path == standard_input;
  if (standard && pipes == Pipes::refused) fail("cannot be read: a file is needed here");
  // A pipe without a writer would block open(); read_descriptor() waits for one, but not for ever.
  descriptor_ = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                         : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail("cannot read: {}", std::strerror(errno));
  struct stat status = {};
  const auto refuse = [this](std::string_view reason) {
    close(descriptor_);
    fail("cannot read: {}", reason);
  };
  if (fstat(descriptor_, &status) != 0) refuse(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) refuse("it is a directory");
  if (S_ISREG(status.st_mode)) {
    const off_t position = standard ? std::max<off_t>(lseek(descriptor_, 0, SEEK_CUR), 0) : 0;
    size_ = static_cast<std::uint64_t>(std::max<off_t>(status.st_size - position, 0));
    return;
  }
  if (isatty(descriptor_) != 0) refuse("it is a terminal");
  if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode)) refuse("it is neither a file nor a pipe");
  if (pipes == Pipes::refused) refuse("it is a pipe, and a file is needed here");
  has_writer_ = standard;
}

InputFile::~InputFile() { close(descriptor_); }

std::span<const std::byte> InputFile::peek(std::size_t count) {
  while (peeked_.size() < count) {
    const std::size_t before = peeked_.size();
    peeked_.resize(count);
    const std::size_t got = read_descriptor(std::span(peeked_).subspan(before));
    peeked_.resize(before + got);
    if (got == 0) break;
  }
  return std::span(peeked_).first(std::min(count, peeked_.size()));
}

std::size_t InputFile::read(std::span<std::byte> bytes) {
  if (peeked_.empty()) return read_descriptor(bytes);
  const std::size_t count = std::min(bytes.size(), peeked_.size());
  std::copy_n(peeked_.begin(), count, bytes.begin());
  peeked_.erase(peeked_.begin(), peeked_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

std::vector<std::byte> InputFile::read_all() {
  if (size_) return read_bytes(source(), *size_, "the file");
  std::vector<std::byte> bytes;
  std::size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) {
      const std::size_t larger = std::max<std::size_t>(filled + filled / 2, 1 << 16);
      check_fits_in_memory(larger);
      bytes.resize(larger);
    }
    const std::size_t got = read(std::span(bytes).subspan(filled));
    filled += got;
    if (got == 0) break;
  }
  bytes.resize(filled);
  return bytes;
}

std::size_t InputFile::read_descriptor(std::span<std::byte> bytes) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(writer_seconds);
  while (true) {
    const ssize_t got = ::read(descriptor_, bytes.data(), bytes.size());
    has_writer_ |= got > 0 || (got < 0 && errno == EAGAIN);
    if (got > 0 || (got == 0 && has_writer_)) return static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR && errno != EAGAIN) fail("cannot read: {}", std::strerror(errno));
    // Nothing yet. A FIFO that never had a writer reads as end of file, without POLLHUP.
    pollfd pipe{descriptor_, POLLIN, 0};
    poll(&pipe, 1, has_writer_ ? -1 : 20);
    has_writer_ |= (pipe.revents & POLLHUP) != 0;
    if (!has_writer_ && Clock::now() > deadline)
      fail("cannot read: no program opened this pipe for writing within {} seconds", writer_seconds);
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path, Pipes pipes) {
  return InputFile(path, pipes).read_all();
}

void check_deflate_ratio(std::uint64_t declared, std::uint64_t compressed) {
  constexpr std::uint64_t max_ratio = 1032;
  if (declared / max_ratio > compressed)
    fail("declares {} bytes, which {} compressed bytes cannot hold: a damaged file or a zip bomb", declared,
         compressed);
}

}  // namespace cuelbo
