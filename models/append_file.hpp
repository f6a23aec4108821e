// A file that grows by whole records while a program runs, and may be cut back to an earlier length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cuelbo {

class AppendFile {
 public:
  // Creates the file or continues at its end, and holds it against other processes. If it has hard links, it becomes a copy. Error: it cannot be written, or another
  // process holds it.
  explicit AppendFile(std::string path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // `path` is where the file should be, as after its directory was renamed. If another file is there, or none, because
  // this one was removed, renamed or replaced, goes on with the file there, as the constructor does. Returns whether it did.
  bool follow(std::string path);

  const std::string& path() const { return path_; }
  std::string content() const;
  void cut_back(std::size_t bytes);
  void append(std::string_view record);
  void sync();  // on the disk when it returns

 private:
  void close_file();
  void open_path();
  void open_and_lock();
  [[noreturn]] void fail_with(int error) const;
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace cuelbo
