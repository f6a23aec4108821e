#include "tools/stop_signal.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <string_view>

#include <unistd.h>

#include "engine/io/temporary_paths.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

constexpr std::array stopping{SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};
constexpr std::int64_t same_request = 500;  // milliseconds
constexpr std::array only_ending{SIGQUIT, SIGALRM};

std::atomic<bool> stop_requested = false, quiet = false;
std::atomic<std::int64_t> requested_at = 0;  // milliseconds of the monotonic clock; 0: not yet
std::atomic<int> first_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "a signal handler sets them");

void handle(int signal, void (*handler)(int)) {
  struct sigaction before = {}, action = {};
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

void end(int signal) {
  remove_temporary_paths();
  end_by_signal(signal);
}

std::int64_t milliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void request_stop(int signal) {
  const int error = errno;
  const std::int64_t now = milliseconds();
  std::int64_t first = 0;
  if (!requested_at.compare_exchange_strong(first, now)) {
    // Batch systems send another signal after the first, such as TERM after INT, while the checkpoint is written.
    if (signal == first_signal && signal != SIGHUP && now - first > same_request) end(signal);
  } else {
    first_signal = signal;
    stop_requested = true;
    constexpr std::string_view text = "\nstopping after this step; the same signal again quits at once\n";
    if (!quiet) [[maybe_unused]]
      const auto written = write(STDERR_FILENO, text.data(), text.size());
  }
  errno = error;
}

}  // namespace

void end_by_signal(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
  _exit(128 + signal);  // the first process of a container has no default actions
}

void handle_signals() {
  for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  for (const int signal : stopping) handle(signal, end);
  for (const int signal : only_ending) handle(signal, end);
}

StopSignal::StopSignal() {
  stop_requested = false;
  requested_at = 0;
  quiet = output_options().quiet;
  for (const int signal : stopping) handle(signal, request_stop);
}

StopSignal::~StopSignal() {
  for (const int signal : stopping) handle(signal, end);
}

const std::atomic<bool>& StopSignal::requested() { return stop_requested; }

}  // namespace cuelbo
