// The output of a training run: on a terminal one line that is redrawn, with some lines kept; plain lines elsewhere.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "models/trainer.hpp"

namespace cuelbo {

// As many fields as fit into `width` columns, the most important first.
std::string progress_line(const TrainingRecord& record, int width);

class ProgressPrinter {
 public:
  ProgressPrinter();   // on standard error
  ~ProgressPrinter();  // leaves the cursor on a fresh line
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void working(const TrainingRecord& record);  // may be called often
  void progress(const TrainingRecord& record);
  void validated(const ValidationRecord& record);

 private:
  using Clock = std::chrono::steady_clock;

  void print(const TrainingRecord& record);

  bool live_;
  std::int64_t kept_ = -1;                    // part of the run whose line has stayed
  std::optional<Clock::time_point> printed_;  // the last line, where none is redrawn
};

}  // namespace cuelbo
