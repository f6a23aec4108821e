#include "tests/tools/program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/paths.hpp"

namespace cuelbo::test {

namespace {

[[noreturn]] void become_cuelbo(const std::vector<std::string>& arguments,
                                const std::filesystem::path& directory, const std::string& script) {
  const std::string program = cuelbo_program();
  std::vector<std::string> words{"cuelbo"};
  if (!script.empty()) words = {"sh", "-c", script, program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (chdir(directory.c_str()) == 0) execv(script.empty() ? program.c_str() : "/bin/sh", argv.data());
  _exit(127);
}

}  // namespace

Outcome cuelbo(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
               const std::filesystem::path& output) {
  return RunningCuelbo(arguments, directory, {.file = output}).wait();
}

Outcome cuelbo_in_shell(const std::string& script, const std::vector<std::string>& arguments,
                        const std::filesystem::path& directory) {
  return RunningCuelbo(arguments, directory, {.script = script}).wait();
}

RunningCuelbo::RunningCuelbo(const std::vector<std::string>& arguments,
                             const std::filesystem::path& directory, const Output& output) {
  if (output.terminal_columns > 0) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = static_cast<unsigned short>(output.terminal_columns);
    process_ = forkpty(&out_, nullptr, nullptr, &size);
    if (process_ == 0) become_cuelbo(arguments, directory, output.script);
  } else {
    std::array<int, 2> out{}, err{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    process_ = fork();
    if (process_ == 0) {
      dup2(output.file.empty() ? out[1] : open(output.file.c_str(), O_WRONLY), STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      become_cuelbo(arguments, directory, output.script);
    }
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }
  if (process_ < 0) throw std::runtime_error("cannot start a process");
}

RunningCuelbo::~RunningCuelbo() {
  if (process_ > 0) {
    signal(SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  for (const int descriptor : {out_, err_})
    if (descriptor >= 0) close(descriptor);
}

void RunningCuelbo::signal(int number) const { kill(process_, number); }

bool RunningCuelbo::read_some() {
  std::array<pollfd, 2> wanted{{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};  // a descriptor of −1 is left out
  if (out_ < 0 && err_ < 0) return false;
  if (poll(wanted.data(), wanted.size(), 60'000) <= 0) throw std::runtime_error("a minute without output");
  std::array<char, 4096> buffer{};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].revents == 0) continue;
    const ssize_t count = read(wanted[i].fd, buffer.data(), buffer.size());
    if (count > 0) {
      (i == 0 ? outcome_.out : outcome_.err).append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EINTR) {  // a terminal whose other side has gone gives EIO
      close(wanted[i].fd);
      (i == 0 ? out_ : err_) = -1;
    }
  }
  return true;
}

bool RunningCuelbo::wait_for(const std::string& text) {
  while (outcome_.out.find(text) == std::string::npos && outcome_.err.find(text) == std::string::npos)
    if (!read_some()) return false;
  return true;
}

Outcome RunningCuelbo::lose_terminal() {
  close(out_);
  out_ = -1;
  return wait();
}

Outcome RunningCuelbo::wait() {
  while (read_some()) {
  }
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  outcome_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return outcome_;
}

}  // namespace cuelbo::test
