#include "tools/standard_streams.hpp"

#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace cuelbo {

void open_missing_standard_streams() {
  int descriptor = 0;
  do descriptor = open("/dev/null", O_RDWR);  // the lowest free number
  while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) close(descriptor);
}

bool output_reader_is_gone() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

void print_if_possible(const std::function<void()>& print) {
  bool printed = false;
  try {
    print();
    printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  } catch (const std::system_error&) {
    printed = false;
  }
  if (printed || !output_reader_is_gone()) return;
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0) return;
  dup2(null, STDOUT_FILENO);
  close(null);
  std::clearerr(stdout);
}

}  // namespace cuelbo
