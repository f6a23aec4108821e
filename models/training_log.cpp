#include "models/training_log.hpp"

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "models/latent_names.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

LogLine parse_line(std::string_view text) {
  LogLine line{.text = text};
  const Json record = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return line;
  const auto kind = record.find("kind"), step = record.find("step");
  if (kind == record.end() || step == record.end() || !step->is_number()) return line;
  if (*kind != "run" && *kind != "train" && *kind != "validation") return line;
  line.kind = *kind;
  line.step = *step;
  return line;
}

// Of a last line without a newline. A crash may also leave zeros in the place of a record.
bool is_torn(std::string_view text) { return text[0] == '\0' || (text[0] == '{' && !Json::accept(text)); }

std::string log_path(const std::string& directory) { return directory + "/log.jsonl"; }

std::string tag(const ObjectiveTerm& term, const GroupTree& tree) {
  return term.dim < 0 ? term.name : fmt::format("dimension_kl/{}", dimension_name(tree, term.dim));
}

template <class Record>
Json term_record(const char* kind, const Record& record, const TermValues& terms) {
  Json json{{"kind", kind},
            {"step", record.step},
            {"elbo", record.elbo},
            {"log_likelihood", record.log_likelihood},
            {"kl", record.terms.kl()},
            {"mutual_information", record.terms.mutual_information},
            {"between_group_tc", record.terms.between_group_tc},
            {"within_group_tc", record.terms.within_group_tc},
            {"dimension_kl", record.terms.dimension_kl}};
  Json& by_name = json["terms"] = Json::object();
  for (std::size_t i = 0; i < terms.values.size(); ++i) by_name[(*terms.terms)[i].name] = terms.values[i];
  return json;
}

}  // namespace

std::vector<LogLine> log_lines(std::string_view content) {
  std::vector<LogLine> lines;
  while (!content.empty()) {
    const std::size_t end = content.find('\n');
    const std::string_view text = content.substr(0, end);
    if (end == std::string_view::npos && is_torn(text)) break;
    lines.push_back(parse_line(text));
    content.remove_prefix(std::min(content.size(), text.size() + 1));
  }
  return lines;
}

TrainingLog::TrainingLog(const std::string& directory, std::int64_t step,
                         std::function<void(const std::string& line)> logged)
    : lines_(log_path(directory)), events_(directory, step), logged_(std::move(logged)) {
  continue_after(step);
}

void TrainingLog::continue_after(std::int64_t step) {
  const std::string content = lines_.content();
  std::string kept;
  has_run_ = false, is_new_ = true;
  for (const LogLine& line : log_lines(content)) {
    const bool is_record = !line.kind.empty();
    if (is_record && line.step > static_cast<double>(step)) continue;
    kept.append(line.text) += '\n';
    has_run_ = has_run_ || line.kind == "run";
    is_new_ = is_new_ && !is_record;
  }
  const auto same = static_cast<std::size_t>(std::ranges::mismatch(content, kept).in1 - content.begin());
  lines_.cut_back(same);
  lines_.append(std::string_view(kept).substr(same));
}

std::vector<std::string> TrainingLog::follow(const std::string& directory, std::int64_t step) {
  std::vector<std::string> reopened;
  if (lines_.follow(log_path(directory))) {
    continue_after(step);
    reopened.push_back(lines_.path());
  }
  if (events_.follow(directory, step)) reopened.push_back(events_.path());
  return reopened;
}

std::vector<std::string> TrainingLog::new_files() const {
  std::vector<std::string> files;
  if (is_new_) files.push_back(lines_.path());
  if (events_.is_new()) files.push_back(events_.path());
  return files;
}

void TrainingLog::run(const Json& description) {
  Json record{{"kind", "run"}, {"step", 0}};
  record.update(description);
  write_line(record);
  has_run_ = true;
}

void TrainingLog::train(const TrainingRecord& record, const TermValues& terms) {
  Json json = term_record("train", record, terms);
  json["loss"] = record.loss;
  json["gradient_norm"] = record.gradient_norm;
  json["learning_rate"] = record.learning_rate;
  json["items_per_second"] = record.items_per_second;
  write(record.step, json, terms);
}

void TrainingLog::validation(const ValidationRecord& record, const TermValues& terms) {
  Json json = term_record("validation", record, terms);
  json["best"] = record.best;
  write(record.step, json, terms);
}

void TrainingLog::write_line(const Json& record) {
  const std::string line = record.dump();
  lines_.append(line + '\n');
  if (logged_) logged_(line);
}

void TrainingLog::write(std::int64_t step, const Json& record, const TermValues& terms) {
  write_line(record);
  const std::string prefix = record["kind"].get<std::string>() + "/";
  Scalars scalars;
  for (const auto& [key, value] : record.items())
    if (value.is_number_float()) scalars.emplace_back(prefix + key, value.get<float>());
  for (std::size_t i = 0; i < terms.values.size(); ++i)
    scalars.emplace_back(fmt::format("{}terms/{}", prefix, tag((*terms.terms)[i], *terms.tree)),
                         static_cast<float>(terms.values[i]));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  events_.write(step, std::chrono::duration<double>(now).count(), scalars);
}

void TrainingLog::sync() {
  lines_.sync();
  events_.sync();
}

}  // namespace cuelbo
