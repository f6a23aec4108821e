// What a training run says while it runs: one line that is redrawn on a terminal, plain lines elsewhere.
#pragma once

#include <string>

#include "models/trainer.hpp"

namespace cuelbo {

// As many fields as fit into `width` columns, the most telling first.
std::string progress_line(const TrainingRecord& record, int width);

class ProgressPrinter {
 public:
  ProgressPrinter();   // on standard output
  ~ProgressPrinter();  // leaves the cursor on a fresh line
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void say(const std::string& line);
  void progress(const TrainingRecord& record);
  void validated(const ValidationRecord& record);

 private:
  bool terminal_;
  bool drawn_ = false;  // the progress line stands where the cursor is
};

}  // namespace cuelbo
