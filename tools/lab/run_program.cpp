#include "tools/lab/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>

#include "engine/error.hpp"
#include "engine/io/temporary_directory.hpp"

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

// Holds back the signals that end this process while another program runs, so that it can be ended first.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU})
      sigaddset(&held, number);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
    arrived_ = signalfd(-1, &held, SFD_CLOEXEC);
  }
  ~HeldSignals() {
    if (arrived_ >= 0) close(arrived_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  int arrived() const { return arrived_; }  // a descriptor that is readable once one has arrived
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
  int arrived_ = -1;
};

// Reads both pipes at once, since a program waits when one of them is full. A signal ends the program and its children.
void drain(const Pipe& out, const Pipe& err, const HeldSignals& signals, pid_t group, ProgramOutput& to) {
  pollfd open[] = {{out.reading(), POLLIN, 0}, {err.reading(), POLLIN, 0}, {signals.arrived(), POLLIN, 0}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (poll(open, std::size(open), -1) < 0 && errno != EINTR) return;
    if (open[2].fd >= 0 && open[2].revents != 0) {
      kill(-group, SIGTERM);
      open[2].fd = -1;
    }
    for (pollfd& one : std::span(open).first(2)) {
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
  const HeldSignals signals;
  const TemporaryDirectory temporary;
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.writing(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.writing(), 2);
  // A group of its own, so that what it starts can be ended with it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &signals.before());
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::string own_folder = "TMPDIR=" + temporary.path().string();
  std::vector<char*> environment{own_folder.data()};
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("TMPDIR=")) environment.push_back(*variable);
  environment.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ProgramOutput output;
  if (error != 0) {
    output.code = 127;
    output.err = fmt::format("{}: {}", command[0], std::strerror(error));
    return output;
  }
  out.close_writing();
  err.close_writing();
  drain(out, err, signals, child, output);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace cuelbo::lab
