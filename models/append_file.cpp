#include "models/append_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

AppendFile::AppendFile(std::string path) : path_(std::move(path)) {
  try {
    open_path();
  } catch (...) {
    close_file();
    throw;
  }
}

AppendFile::~AppendFile() { close_file(); }

void AppendFile::close_file() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

void AppendFile::open_path() {
  open_and_lock();
  // A backup by hard links must not change with its original.
  struct stat status = {};
  if (fstat(descriptor_, &status) == 0 && status.st_nlink > 1) {
    write_file(path_, content());
    open_and_lock();
  }
}

void AppendFile::open_and_lock() {
  close_file();
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_with(errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    fail("cannot write '{}': another process is writing it", path_);
}

bool AppendFile::follow(std::string path) {
  path_ = std::move(path);
  struct stat mine = {}, there = {};
  if (fstat(descriptor_, &mine) == 0 && stat(path_.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
      mine.st_ino == there.st_ino)
    return false;
  open_path();
  return true;
}

void AppendFile::fail_with(int error) const { fail("cannot write '{}': {}", path_, std::strerror(error)); }

std::string AppendFile::content() const {
  const auto bytes = in_context(fmt::format("'{}'", path_), [&] { return read_file(path_); });
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void AppendFile::cut_back(std::size_t bytes) {
  if (ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) fail_with(errno);
}

void AppendFile::append(std::string_view record) {
  while (!record.empty()) {
    const ssize_t written = write(descriptor_, record.data(), record.size());
    if (written < 0 && errno != EINTR) fail_with(errno);
    if (written > 0) record.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AppendFile::sync() {
  // Some file systems report that they cannot sync; that is not a failure to write.
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) fail_with(errno);
}

}  // namespace cuelbo
