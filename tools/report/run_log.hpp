// log.jsonl as series over the steps.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace cuelbo {

struct LogSeries {
  std::vector<double> steps, values;
};

struct LogValue {
  double step = std::numeric_limits<double>::quiet_NaN(), value = step;
};

class RunLog {
 public:
  // Error: a line is not a JSON object, unless it is an unfinished last one. Objects that are no records are the user's
  // remarks and have no part in the series.
  static RunLog read(const std::string& path);

  // The values of `key` in the records of a kind: "train" or "validation". Records without a finite value are left out.
  LogSeries series(const std::string& kind, const std::string& key) const;

  // From the last record of that kind up to `step` that has one; NaN when none has.
  LogValue last(const std::string& kind, const std::string& key, double step) const;

  const nlohmann::json& run() const { return run_; }  // the first record of kind "run", or an empty object

 private:
  std::vector<nlohmann::json> records_;
  nlohmann::json run_ = nlohmann::json::object();
};

}  // namespace cuelbo
