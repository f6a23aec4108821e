#include "engine/io/atomic_file.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace cuelbo {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 16;

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Makes the file or directory of the descriptor durable. Some file systems report that they cannot; that is not a
// failure to write.
bool sync(int descriptor) { return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP; }

// The end of a chain of symbolic links, whether or not a file exists there.
std::filesystem::path follow_links(std::filesystem::path path) {
  constexpr int longest = 40;  // the kernel's own limit
  for (int i = 0; i < longest; ++i) {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(path, error);
    if (error) return path;
    path = directory_of(path) / target;
  }
  return path;  // a loop, which stat() refuses
}

constexpr std::string_view partial = ".partial-";

// Whether this is a temporary file, NAME.partial-PROCESS-ATTEMPT, whose writer is gone. The writer holds a lock on it, which
// other hosts and containers see too; the process number also covers the moment between creating and locking it.
bool is_stale(const std::filesystem::path& temporary, std::string_view suffix) {
  pid_t writer = 0;
  int attempt = 0;
  const char *const begin = suffix.data(), *const end = begin + suffix.size();
  const auto process = std::from_chars(begin, end, writer);
  if (process.ec != std::errc() || process.ptr == end || *process.ptr != '-') return false;
  const auto number = std::from_chars(process.ptr + 1, end, attempt);
  if (number.ec != std::errc() || number.ptr != end) return false;
  if (writer != getpid() && (kill(writer, 0) == 0 || errno != ESRCH)) return false;
  const int descriptor = open(temporary.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool free = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  close(descriptor);
  return free;
}

// The temporary name without its suffix for the process. File systems allow 255 bytes.
std::string temporary_prefix(const std::filesystem::path& path) {
  constexpr std::size_t longest = 255 - 32;
  std::string name = path.filename();
  if (name.size() > longest) {
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80)
      --end;  // not inside a UTF-8 character
    name.resize(end);
  }
  return name.append(partial);
}

void remove_stale(const std::filesystem::path& path) {
  const std::string prefix = temporary_prefix(path);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_of(path), error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(prefix) && is_stale(entry.path(), std::string_view(name).substr(prefix.size())))
      unlink(entry.path().c_str());
  }
}

// As if the old file had been overwritten. Only root may give a file away, so that may fail.
void copy_owner_and_permissions(const struct stat& old, int descriptor) {
  if (fchown(descriptor, old.st_uid, old.st_gid) != 0) [[maybe_unused]]
    const int group_only = fchown(descriptor, static_cast<uid_t>(-1), old.st_gid);
  fchmod(descriptor, old.st_mode & 07777);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(follow_links(std::move(path))) {
  struct stat old = {};
  const bool replaces = stat(path_.c_str(), &old) == 0;
  if (!replaces && errno != ENOENT) fail_with(errno);
  if (replaces && S_ISDIR(old.st_mode)) fail_with(EISDIR);
  if (replaces && !S_ISREG(old.st_mode)) fail("cannot write '{}': it is not a regular file", path_.string());
  // Replacing a file needs no permission to write it, but one that is read-only is meant to be kept.
  if (replaces && faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail_with(errno);
  remove_stale(path_);
  create_temporary();
  if (replaces) copy_owner_and_permissions(old, descriptor_);
  buffer_.reserve(buffer_bytes);
}

void AtomicFile::create_temporary() {
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = directory_of(path_) / fmt::format("{}{}-{}", temporary_prefix(path_), getpid(), attempt);
    listed_.emplace(temporary_, TemporaryPath::Kind::file);
    descriptor_ = open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0 || (errno == EEXIST && attempt < 1000)) continue;
    const int error = errno;
    std::error_code ignored;
    temporary_.clear();
    if (error == ENOENT && !std::filesystem::exists(directory_of(path_), ignored))
      fail("cannot write '{}': there is no directory '{}'", path_.string(), directory_of(path_).string());
    fail_with(error);
  }
  flock(descriptor_, LOCK_EX | LOCK_NB);  // the writer is alive
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
  if (!sync(descriptor_)) fail_with(errno);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_with(errno);
  committed_ = true;
  if (close(std::exchange(descriptor_, -1)) != 0) fail_with(errno);

  const int directory = open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return;  // the directory cannot be opened: the file is written, but its name may not survive a crash
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
