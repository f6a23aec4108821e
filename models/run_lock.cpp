#include "models/run_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/error.hpp"

namespace cuelbo {

namespace fs = std::filesystem;

namespace {

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string read_all(int descriptor) {
  std::array<char, 256> text{};
  const ssize_t count = pread(descriptor, text.data(), text.size(), 0);
  return {text.data(), static_cast<std::size_t>(count > 0 ? count : 0)};
}

// The first line names the owner, for the message of a process that is refused; these follow.
constexpr std::string_view kept_mark = "\nrun\n", trained_mark = "\ntrained\nrun\n";

std::string_view mark_of(std::string_view content) {
  for (const std::string_view mark : {trained_mark, kept_mark})
    if (content.ends_with(mark)) return mark;
  return {};
}

std::string_view mark_in(const std::string& directory) {
  const std::string path = fs::path(directory) / RunLock::file_name;
  const int descriptor = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return {};
  const std::string_view mark = mark_of(read_all(descriptor));
  close(descriptor);
  return mark;
}

void write_owner(int descriptor, std::string_view mark) {
  std::array<char, 200> host{};
  gethostname(host.data(), host.size() - 1);
  const std::string owner = fmt::format("process {} on {}{}", getpid(), host.data(), mark);
  if (pwrite(descriptor, owner.data(), owner.size(), 0) == std::ssize(owner)) [[maybe_unused]]
    const int cut = ftruncate(descriptor, std::ssize(owner));
}

bool has_no_locks(int error) {
  return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL;
}

}  // namespace

RunLock::RunLock(std::string directory, Missing missing) : directory_(std::move(directory)) {
  try {
    // Another process may remove the directory it made between any two of these calls.
    constexpr int attempts = 100;
    std::string reason;
    for (int i = 0; i < attempts; ++i) {
      reason = try_lock(missing);
      if (reason.empty()) return;
    }
    fail("{}", reason);
  } catch (...) {
    release();
    throw;
  }
}

RunLock::~RunLock() {
  if (!keep_ && made_lock_) unlinkat(directory_descriptor_, file_name, 0);
  release();
}

void RunLock::release() {
  if (!keep_)
    for (const fs::path& path : std::views::reverse(made_)) rmdir(path.c_str());
  for (int* descriptor : {&lock_descriptor_, &directory_descriptor_})
    if (*descriptor >= 0) close(std::exchange(*descriptor, -1));
}

void RunLock::make_directories() {
  fs::path path;
  for (const fs::path& part : fs::path(directory_)) {
    path /= part;
    std::error_code error;
    if (part.empty() || fs::is_directory(path, error)) continue;
    if (mkdir(path.c_str(), 0777) == 0) {
      made_.push_back(path);
    } else if (errno == ENOENT) {
      return;  // a parent has just been removed: the caller tries again
    } else if (errno != EEXIST) {
      fail("cannot create directory '{}': {}", directory_, std::strerror(errno));
    } else if (!fs::is_directory(path, error) &&
               fs::symlink_status(path, error).type() != fs::file_type::none) {
      fail("cannot create directory '{}': '{}' is not a directory", directory_, path.string());
    }
  }
}

std::string RunLock::try_lock(Missing missing) {
  for (int* descriptor : {&lock_descriptor_, &directory_descriptor_})
    if (*descriptor >= 0) close(std::exchange(*descriptor, -1));
  if (missing == Missing::create) make_directories();
  const std::string path = fs::path(directory_) / file_name;
  const auto replaced = [&] {
    return fmt::format("cannot lock '{}': the file is removed or replaced again and again", path);
  };
  const auto fail_or_again = [&](int error) {
    if (error == ENOENT && missing == Missing::create)
      return fmt::format("cannot create directory '{}': {}", directory_, std::strerror(error));
    fail("cannot write '{}': {}", path, std::strerror(error));
  };
  directory_descriptor_ = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_descriptor_ < 0) return fail_or_again(errno);

  made_lock_ = true;
  constexpr int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  lock_descriptor_ = openat(directory_descriptor_, file_name, flags | O_CREAT | O_EXCL, 0666);
  if (lock_descriptor_ < 0 && errno == EEXIST) {
    made_lock_ = !made_.empty();
    lock_descriptor_ = openat(directory_descriptor_, file_name, flags);
    if (lock_descriptor_ < 0 && errno == ENOENT) return replaced();
  }
  if (lock_descriptor_ < 0) return fail_or_again(errno);

  if (flock(lock_descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error == EINTR) return fmt::format("cannot lock '{}': {}", path, std::strerror(error));
    if (error == EWOULDBLOCK || error == EACCES) {
      const std::string content = read_all(lock_descriptor_), owner = content.substr(0, content.find('\n'));
      fail("'{}' is in use: {} is training in it", directory_, owner.empty() ? "another process" : owner);
    }
    if (!has_no_locks(error)) return fail_or_again(error);
    supported_ = false;
  }
  // The lock counts only if its file is still the one that others would open.
  struct stat mine = {}, there = {};
  if (fstat(lock_descriptor_, &mine) != 0 || stat(path.c_str(), &there) != 0 || !same_file(mine, there))
    return replaced();
  set_mark(mark_of(read_all(lock_descriptor_)));
  return {};
}

void RunLock::set_mark(std::string_view mark) {
  mark_ = mark;
  write_owner(lock_descriptor_, mark);
}

void RunLock::keep() {
  keep_ = true;
  if (mark_.empty()) set_mark(kept_mark);
}

void RunLock::keep_trained() {
  keep_ = true;
  if (mark_ != trained_mark) set_mark(trained_mark);
}

void RunLock::forget() {
  keep_ = false;
  set_mark({});
}

bool RunLock::is_kept(const std::string& directory) { return !mark_in(directory).empty(); }

bool RunLock::is_kept_trained(const std::string& directory) { return mark_in(directory) == trained_mark; }

std::string RunLock::directory() const {
  struct stat mine = {}, there = {};
  if (fstat(directory_descriptor_, &mine) == 0 && mine.st_nlink > 0) {
    if (stat(directory_.c_str(), &there) == 0 && same_file(mine, there)) return directory_;
    std::error_code error;
    const fs::path now = fs::read_symlink(fmt::format("/proc/self/fd/{}", directory_descriptor_), error);
    if (!error && stat(now.c_str(), &there) == 0 && same_file(mine, there)) return now;
  }
  fail("the run directory '{}' was removed while it was training", directory_);
}

}  // namespace cuelbo
