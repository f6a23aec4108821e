#include "tools/lab/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.hpp"

namespace cuelbo::lab {

namespace {

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  }
  ~Pipe() {
    close(ends_[0]);
    close_writing();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reading() const { return ends_[0]; }
  int writing() const { return ends_[1]; }
  void close_writing() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

// Both at once, since a program waits when one of them is full.
void drain(const Pipe& out, const Pipe& err, ProgramOutput& to) {
  pollfd open[] = {{out.reading(), POLLIN, 0}, {err.reading(), POLLIN, 0}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (poll(open, 2, -1) < 0 && errno != EINTR) return;
    for (pollfd& one : open) {
      if (one.fd < 0 || one.revents == 0) continue;
      char buffer[1 << 16];
      const ssize_t n = read(one.fd, buffer, sizeof buffer);
      if (n > 0)
        (&one == &open[0] ? to.out : to.err).append(buffer, static_cast<std::size_t>(n));
      else if (n == 0 || errno != EINTR)
        one.fd = -1;
    }
  }
}

}  // namespace

ProgramOutput run_program(const std::vector<std::string>& command) {
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.writing(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.writing(), 2);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ProgramOutput output;
  if (error != 0) {
    output.code = 127;
    output.err = fmt::format("{}: {}", command[0], std::strerror(error));
    return output;
  }
  out.close_writing();
  err.close_writing();
  drain(out, err, output);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace cuelbo::lab
