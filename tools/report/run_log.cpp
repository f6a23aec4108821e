#include "tools/report/run_log.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "engine/error.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

RunLog RunLog::read(const std::string& path) {
  const auto bytes = in_context(fmt::format("'{}'", path), [&] { return read_file(path); });
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  RunLog log;
  int line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    nlohmann::json record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_discarded() && end == text.size()) break;  // a run that writes or was killed
    if (!record.is_object()) fail("'{}': line {} is not a JSON object", path, line_number);
    const auto kind = record.find("kind");
    if (kind != record.end() && *kind == "run" && log.run_.empty()) log.run_ = record;
    log.records_.push_back(std::move(record));
  }
  return log;
}

LogSeries RunLog::series(const std::string& kind, const std::string& key) const {
  LogSeries series;
  for (const nlohmann::json& record : records_) {
    const auto found_kind = record.find("kind"), step = record.find("step"), value = record.find(key);
    if (found_kind == record.end() || *found_kind != kind) continue;
    if (step == record.end() || !step->is_number() || value == record.end() || !value->is_number()) continue;
    if (!std::isfinite(value->get<double>())) continue;
    series.steps.push_back(step->get<double>());
    series.values.push_back(value->get<double>());
  }
  return series;
}

LogValue RunLog::last(const std::string& kind, const std::string& key, double step) const {
  const LogSeries all = series(kind, key);
  LogValue found;
  for (std::size_t i = 0; i < all.steps.size(); ++i)
    if (all.steps[i] <= step) found = {.step = all.steps[i], .value = all.values[i]};
  return found;
}

}  // namespace cuelbo
