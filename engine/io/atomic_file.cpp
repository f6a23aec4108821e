#include "engine/io/atomic_file.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace cuelbo {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 16;

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Makes what the descriptor stands for durable. Some file systems cannot do it and say so; that is no failure
// to write.
bool sync(int descriptor) { return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP; }

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code error;
  if (std::filesystem::is_symlink(path_, error)) {
    const auto target = std::filesystem::weakly_canonical(path_, error);
    if (!error) path_ = target;
  }
  const auto status = std::filesystem::status(path_, error);
  if (std::filesystem::is_directory(status)) fail_with(EISDIR);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    fail("cannot write '{}': it is not a regular file", path_.string());

  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = path_;
    temporary_ += fmt::format(".partial-{}-{}", getpid(), attempt);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && (errno != EEXIST || attempt == 1000)) {
      if (errno == ENOENT && !std::filesystem::exists(directory_of(path_), error))
        fail("cannot write '{}': there is no directory '{}'", path_.string(), directory_of(path_).string());
      fail_with(errno);
    }
  }
  buffer_.reserve(buffer_bytes);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!committed_ && !temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail_with(int error) const {
  fail("cannot write '{}': {}", path_.string(), std::strerror(error));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > buffer_bytes) flush();
  if (bytes.size() > buffer_bytes) {
    write_through(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void AtomicFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_with(errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  flush();
  // A library that was given temporary_path() may have replaced the file: sync what stands at the path now.
  const int current = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
  if (current < 0) fail_with(errno);
  const bool durable = sync(current);
  const int sync_error = errno;
  close(current);
  if (!durable) fail_with(sync_error);
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (close(descriptor) != 0) fail_with(errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_with(errno);
  committed_ = true;

  const int directory = open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return;  // the directory cannot be read: the file is there, only its name may not outlive a crash
  const bool named = sync(directory);
  const int name_error = errno;
  close(directory);
  if (!named) fail_with(name_error);
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace cuelbo
