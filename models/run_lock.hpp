// A process's hold on a run directory: one training at a time, and nothing is removed that this process did not make.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cuelbo {

class RunLock {
 public:
  // Names the process that holds the lock. Once a run has begun, it also marks the directory as a run's and stays.
  static constexpr const char* file_name = ".cuelbo.lock";

  enum class Missing { create, refuse };
  // Locks the directory; with Missing::create, makes it and its parents first if they are missing. Error: it cannot be
  // made or written, or another process holds it, which the message names.
  RunLock(std::string directory, Missing missing);
  // Releases the lock, which also happens when the process is killed. Unless keep() was called, also removes the lock
  // file and the directories that this object made, as far as they are empty.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // Marks the directory as a run's; the lock file stays after the lock is released.
  void keep();
  // Marks it as one of a run that has had a checkpoint, too.
  void keep_trained();
  // Takes that back: the destructor removes what it would have removed before.
  void forget();
  bool keeps() const { return keep_; }

  // Whether keep() was called for this directory, by any process. A lock file alone may be one that a process left behind
  // when it was killed before it began.
  static bool is_kept(const std::string& directory);
  static bool is_kept_trained(const std::string& directory);

  // False on file systems without locks, such as Lustre without the mount option flock.
  bool supported() const { return supported_; }

  // The current path of the directory, even after it was renamed. Error: it has been removed.
  std::string directory() const;

 private:
  // Empty when it is locked; otherwise the error unless another attempt succeeds.
  std::string try_lock(Missing missing);
  void make_directories();
  void release();
  void set_mark(std::string_view mark);

  std::string directory_;
  std::vector<std::filesystem::path> made_;  // directories, parents first
  int directory_descriptor_ = -1, lock_descriptor_ = -1;
  bool made_lock_ = false, supported_ = true, keep_ = false;
  std::string_view mark_;  // in the lock file; empty: none
};

}  // namespace cuelbo
