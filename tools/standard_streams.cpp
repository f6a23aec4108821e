#include "tools/standard_streams.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace cuelbo {

namespace {
int lost_for = EIO;  // errno
}

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
  const bool lost_before = std::ferror(stdout) != 0;
  int error = 0;
  try {
    print();
    if (std::fflush(stdout) != 0) error = errno;
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  if (error != 0 && !lost_before) lost_for = error;
  if (std::ferror(stdout) == 0 || !output_reader_is_gone()) return;
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0) return;
  dup2(null, STDOUT_FILENO);
  close(null);
  std::clearerr(stdout);
}

int why_output_was_lost() { return lost_for; }

}  // namespace cuelbo
