#include "tools/stop_signal.hpp"

#include <csignal>
#include <string_view>

#include <unistd.h>

namespace cuelbo {

namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void request_stop(int) {
  stop_requested = true;
  constexpr std::string_view text = "\nstopping after this step; the same signal again quits at once\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  stop_requested = false;
  handle(SIGINT, request_stop);
  handle(SIGTERM, request_stop);
}

StopSignal::~StopSignal() {
  handle(SIGINT, SIG_DFL);
  handle(SIGTERM, SIG_DFL);
}

const std::atomic<bool>& StopSignal::requested() { return stop_requested; }

}  // namespace cuelbo
