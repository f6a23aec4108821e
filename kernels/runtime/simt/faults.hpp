// Faults of the processor in kernels. What ends a program on a CPU ends the block with a finding here: integer division by
// zero, unmapped addresses, a stack that is used up, traps, abort(), exceptions.
#pragma once

#include <atomic>
#include <ctime>
#include <limits>

#include "kernels/runtime/simt/block.hpp"

namespace cuelbo::simt {

// Turns faults of kernels on the calling OS thread into findings. The previous handlers get all others.
void catch_faults();

// The line of the kernel that calls the runtime, for the running thread.
Location calling_line();

// Ends the kernel that the calling OS thread runs when it computes for two ticks without coming to another piece of straight
// code: empty loops are not instrumented.
class Watchdog {
 public:
  explicit Watchdog(bool wanted);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  static void come_to_code() { idle_ticks.store(0, std::memory_order_relaxed); }
  // Until the next code: looking up the line of a finding may take longer than two ticks.
  static void sleep() { idle_ticks.store(std::numeric_limits<int>::min(), std::memory_order_relaxed); }

  static inline constinit std::atomic<int> idle_ticks = 0;
  static inline constinit int tick_milliseconds = 1000;  // of the thread's own time

 private:
  timer_t timer_{};
  bool armed_ = false;
};

inline constexpr const char* divided_by_zero =
    "integer division by zero; a GPU does not stop here, its result is unspecified";

}  // namespace cuelbo::simt
