// Ctrl-C and SIGTERM ask a run to stop; the same signal again ends the process at once.
#pragma once

#include <atomic>

namespace cuelbo {

// While it lives, the first signal sets requested() and says so on standard error.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  static const std::atomic<bool>& requested();
};

}  // namespace cuelbo
