#include "models/training_log.hpp"

#include <chrono>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "models/latent_names.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

// Bytes of the whole lines whose step is not later than `step`.
std::size_t kept_bytes(std::string_view content, std::int64_t step) {
  std::size_t begin = 0;
  for (std::size_t end = content.find('\n'); end != std::string_view::npos; end = content.find('\n', begin)) {
    const Json record = Json::parse(content.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    const bool has_step = record.is_object() && record.contains("step") && record["step"].is_number_integer();
    if (!has_step || record["step"].get<std::int64_t>() > step) break;
    begin = end + 1;
  }
  return begin;
}

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

TrainingLog::TrainingLog(const std::string& directory, std::int64_t step,
                         std::function<void(const std::string& line)> logged)
    : lines_(log_path(directory)), events_(directory, step), logged_(std::move(logged)) {
  continue_after(step);
}

void TrainingLog::continue_after(std::int64_t step) { lines_.cut_back(kept_bytes(lines_.content(), step)); }

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
  if (is_empty()) files.push_back(lines_.path());
  if (events_.is_new()) files.push_back(events_.path());
  return files;
}

void TrainingLog::run(const Json& description) {
  Json record{{"kind", "run"}, {"step", 0}};
  record.update(description);
  write_line(record);
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
