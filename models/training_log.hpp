// Written during training: log.jsonl, one record per line, and the same numbers as TensorBoard events.
//
//   {"kind": "run", "step": 0, "version", "device", "estimator", "discrete", "decoding", "dataset", "train_items", …}
//   {"kind": "train", "step", "elbo", "log_likelihood", "kl", "mutual_information", "between_group_tc", "within_group_tc",
//    "dimension_kl", "terms": {name: nats per item, …}, "loss", "gradient_norm", "learning_rate", "items_per_second"}
//   {"kind": "validation", …}: the same up to terms, and "best"
//
// Terms are named by the columns of the codes (dimension_kl/3) in log.jsonl, by the latents (dimension_kl/form.4) in
// TensorBoard.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "models/append_file.hpp"
#include "models/event_file.hpp"
#include "models/objective.hpp"
#include "models/trainer.hpp"

namespace cuelbo {

// The values of all terms of an objective, in nats per item.
struct TermValues {
  const std::vector<ObjectiveTerm>* terms = nullptr;
  const GroupTree* tree = nullptr;  // names the dimensions in TensorBoard
  std::vector<double> values;
};

// A line of log.jsonl.
struct LogLine {
  std::string_view text;  // without its newline
  std::string kind;       // "run", "train" or "validation"; empty: not a record, but a remark of the user
  double step = 0;
};
// All lines but the last if a crash tore it.
std::vector<LogLine> log_lines(std::string_view content);

class TrainingLog {
 public:
  // Goes on with the logs of a directory after `step`: later records are removed, −1: all of them. Other lines of
  // log.jsonl stay, as the user's remarks.
  // `logged`, if any, is given every line of log.jsonl that is written.
  TrainingLog(const std::string& directory, std::int64_t step,
              std::function<void(const std::string& line)> logged = {});

  // For a directory that may have been renamed, and files that may have been removed, renamed or replaced since they
  // were opened: goes on with the files that are in `directory` now, after `step`. Returns the paths of those that are
  // not the ones that were open.
  std::vector<std::string> follow(const std::string& directory, std::int64_t step);

  std::vector<std::string> new_files() const;  // paths of those that held no records when they were opened
  bool has_run() const { return has_run_; }    // whether log.jsonl holds a record of kind "run"

  void run(const nlohmann::ordered_json& description);
  void train(const TrainingRecord& record, const TermValues& terms);
  void validation(const ValidationRecord& record, const TermValues& terms);
  void sync();

 private:
  void continue_after(std::int64_t step);
  void write_line(const nlohmann::ordered_json& record);
  void write(std::int64_t step, const nlohmann::ordered_json& record, const TermValues& terms);

  AppendFile lines_;
  bool has_run_ = false, is_new_ = true;  // log.jsonl
  EventFile events_;
  std::function<void(const std::string& line)> logged_;
};

}  // namespace cuelbo
