// Trains a model in a run directory, from the start or from its newest checkpoint.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "models/run_directory.hpp"

namespace cuelbo {

// The values of the progress line and of a record of log.jsonl.
struct TrainingRecord {
  std::int64_t step = 0, steps = 0;
  double elbo = 0, log_likelihood = 0;  // nats per item; elbo with all coefficients 1
  TermSummary terms;
  double loss = 0, gradient_norm = 0, learning_rate = 0;
  double items_per_second = 0, seconds_left = 0;
};

struct ValidationRecord {
  std::int64_t step = 0;
  double elbo = 0, log_likelihood = 0;
  TermSummary terms;
  bool best = false;
};

struct TrainerEvents {
  // Device, data and model at the start; and what the user should know of, then and later.
  std::function<void(const std::string& line)> note;
  std::function<void(const TrainingRecord&)> working;   // about twice a second between the records of the log
  std::function<void(const TrainingRecord&)> progress;  // a record of the log
  std::function<void(const ValidationRecord&)> validated;
  std::function<void(const std::string& line)> logged;  // each line of log.jsonl, without its newline
};

enum class TrainingOutcome { finished, interrupted };

// Steps until config.training.steps or until *stop becomes true; a checkpoint is written at the end of either, at every
// validation, and at the latest every five minutes. Resumed from a checkpoint, the run equals an uninterrupted one to the
// bit: parameters, log records (less their timing) and event files. log.jsonl and event files are cut back to the checkpoint's step.
// Files of the run that are removed, renamed or replaced meanwhile are written again at their paths, with a note.
// Error: the configuration or the data is not that of the checkpoint and `accept_changes` is false; NaN or Inf in the loss or the gradients, naming the first operation that produced it and the last good checkpoint.
TrainingOutcome train(RunDirectory& run, const DeviceOptions& device, const std::atomic<bool>& stop,
                      const TrainerEvents& events, bool accept_changes = false);

}  // namespace cuelbo
