// Handling of the signals that end a process.
#pragma once

#include <atomic>

namespace cuelbo {

// From now on a signal that ends the process removes its temporary files first. Writing to a closed pipe and beyond a
// file size limit become errors of the write. Signals that are ignored, as by nohup, stay so.
void handle_signals();

// Ends the process as the signal does by default, so that its parent sees why, in a handler too.
[[noreturn]] void end_by_signal(int signal);

// While it lives, the first signal of Ctrl-C, SIGTERM, a lost terminal (SIGHUP) or a batch system (SIGUSR1, SIGUSR2,
// SIGXCPU) sets requested() and, unless -q, says so on standard error. The same one again ends the process at once, unless it follows within
// half a second, since wrappers such as `timeout` send a signal twice, or is SIGHUP, which shells repeat. Another one changes nothing:
// batch systems send TERM some seconds after INT or USR1.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  static const std::atomic<bool>& requested();
};

}  // namespace cuelbo
