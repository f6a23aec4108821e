#include "models/run_directory.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>

#include <fmt/ranges.h>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"
#include "engine/shell_quoted.hpp"
#include "kernels/cpu_tables.hpp"
#include "models/event_file.hpp"

namespace cuelbo {

namespace fs = std::filesystem;

namespace {

constexpr const char* folder = "checkpoint";
constexpr const char* best_name = "best.safetensors";
constexpr const char* config_name = "config.toml";
constexpr const char* pictures_name = "pictures";
constexpr const char* log_name = "log.jsonl";
// What commands write of a checkpoint.
constexpr std::array<std::string_view, 3> result_names{"evaluation.json", "report.html", pictures_name};
// All that a run and its commands write, besides TensorBoard's events.
constexpr std::array<std::string_view, 6> written_names{config_name,     log_name,        folder,
                                                        result_names[0], result_names[1], result_names[2]};
constexpr std::size_t kept_checkpoints = 2;

// Not its parents: those of a run that was removed must not come back. Returns whether it was missing.
bool create_directory(const std::string& path) {
  std::error_code error;
  const bool made = fs::create_directory(path, error);
  if (error) fail("cannot create directory '{}': {}", path, error.message());
  return made;
}

// No entries if the directory does not exist. An unreadable one is an error: training would start over in it.
fs::directory_iterator entries_of(const std::string& path) {
  std::error_code error;
  fs::directory_iterator entries(path, error);
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    fail("cannot read '{}': {}", path, error.message());
  return entries;
}

// Not a copy that the user named in another way, such as step-00000010-keep.safetensors.
bool is_step_checkpoint(std::string_view name) {
  constexpr std::string_view prefix = "step-", suffix = ".safetensors";
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return false;
  const std::string_view step = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  return !step.empty() && step.find_first_not_of("0123456789") == std::string_view::npos;
}

// As the user wrote it, if that was relative.
std::string shown_as(const fs::path& absolute, const std::string& written) {
  if (fs::path(written).is_absolute()) return absolute.string();
  std::error_code error;
  const fs::path shown = fs::proximate(absolute, error);
  return (shown.empty() ? absolute : shown).string();
}

bool is_run(const fs::path& path) {
  std::error_code error;
  return RunLock::is_kept(path) ||
         (fs::exists(path / config_name, error) && fs::is_directory(path / folder, error));
}

bool is_written_name(const std::string& name) {
  return std::ranges::find(written_names, name) != written_names.end() || is_event_file_name(name);
}

}  // namespace

std::string run_nearby(const std::string& path) {
  std::error_code error;
  fs::path around = fs::absolute(path, error).lexically_normal();
  if (!around.has_filename()) around = around.parent_path();
  // RUN/checkpoint/best.safetensors, RUN/checkpoint, RUN/config.toml
  for (int levels = 0; levels < 2 && around.has_relative_path(); ++levels) {
    around = around.parent_path();
    if (is_run(around)) return fmt::format("; did you mean the run '{}'?", shown_as(around, path));
  }
  std::vector<std::string> runs;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (is_run(entry.path())) runs.push_back(entry.path().string());
  if (runs.empty()) return "";
  std::ranges::sort(runs);
  return fmt::format("; did you mean the run '{}'{}?", runs.front(),
                     runs.size() > 1 ? " or another one in it" : "");
}

std::string owning_run(const std::string& file) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(fs::absolute(file, error), error),
                 directory = path.parent_path();
  if (is_written_name(path.filename()) && is_run(directory)) return directory;
  const fs::path name = directory.filename();
  if ((name == folder || name == pictures_name) && is_run(directory.parent_path()))
    return directory.parent_path();
  return {};
}

RunDirectory RunDirectory::create(const std::string& path, const RunConfig& config) {
  RunDirectory run(path, config);
  std::error_code error;
  if (const std::string owner = owning_run(run.file(config_name));
      !owner.empty() && !fs::equivalent(owner, path, error))
    fail("'{}' belongs to the run '{}': choose another --output", path, owner);
  // The run may be used from another folder. Its ".." stay: after a link they lead elsewhere than the text says.
  if (!config.data.path.empty()) run.config_.data.path = fs::absolute(config.data.path).string();
  run.check_unused();
  run.lock_ = std::make_shared<RunLock>(path, RunLock::Missing::create);
  run.check_unused();  // by now another process may have trained in it
  run.check_not_lost();
  run.config_is_written_ = false;
  run.replaces_run_ = run.is_marked();
  run.is_new_ = !run.replaces_run_;
  return run;
}

RunDirectory RunDirectory::open(const std::string& path) {
  RunDirectory run(path, {});
  run.check_is_run();
  run.config_ = load_config(run.file(config_name));
  return run;
}

RunDirectory RunDirectory::resume(const std::string& path) {
  RunDirectory run(path, {});
  run.check_is_run();
  if (!run.has_checkpoint() && !run.is_marked())
    fail("'{}' is not a run directory: it holds a config.toml, but `cuelbo train` did not make it", path);
  run.lock_ = std::make_shared<RunLock>(path, RunLock::Missing::refuse);
  run.check_not_lost();
  run.config_ = load_config(run.file(config_name));
  return run;
}

void RunDirectory::set_steps(std::int64_t steps) {
  config_is_written_ = config_is_written_ && steps == config_.training.steps;
  config_.training.steps = steps;
}

void RunDirectory::mark() {
  if (lock_ == nullptr) lock_ = std::make_shared<RunLock>(path_, RunLock::Missing::refuse);
  lock_->keep();
}

void RunDirectory::begin() {
  mark();
  made_folder_ = create_directory(file(folder));
  if (!config_is_written_) write_file(file(config_name), config_text());
  config_is_written_ = true;
}

// The user may have added comments to config.toml: where only optimizer.steps changes, they stay.
std::string RunDirectory::config_text() const {
  std::string wanted = to_toml(config_);
  std::error_code error;
  if (!fs::exists(file(config_name), error)) return wanted;
  const auto bytes = read_file(file(config_name));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view key = "\nsteps = ";
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    const std::size_t begin = at + key.size(), end = text.find_first_not_of("0123456789", begin);
    if (end == std::string::npos) break;
    std::string changed = text;
    changed.replace(begin, end - begin, fmt::format("{}", config_.training.steps));
    try {
      if (to_toml(parse_config(changed, config_name)) == wanted) return changed;
    } catch (const Error&) {  // it is no longer a configuration
      break;
    }
  }
  return wanted;
}

bool RunDirectory::follow() {
  if (lock_ != nullptr) path_ = lock_->directory();
  std::error_code error;
  if (fs::status(file(config_name), error).type() != fs::file_type::not_found) return false;
  write_file(file(config_name), to_toml(config_));
  return true;
}

bool RunDirectory::discard() {
  if (!is_new_ || !lock_->keeps()) return false;
  try {
    path_ = lock_->directory();
  } catch (const Error&) {  // the user has removed it
    return false;
  }
  std::error_code error;
  if (!fs::is_empty(file(folder), error) && !error) return false;
  if (made_folder_) fs::remove(file(folder), error);
  // None of these was there before: create() would have refused the directory.
  for (const auto& entry : fs::directory_iterator(path_, error))
    if (const std::string name = entry.path().filename();
        name == config_name || name == log_name || is_event_file_name(name))
      fs::remove(entry.path(), error);
  lock_->forget();
  return true;
}

bool RunDirectory::is_marked() const { return RunLock::is_kept(path_); }

void RunDirectory::check_is_run() const {
  const std::string near = run_nearby(path_);
  const auto status_of = [&](const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::none) fail("cannot read '{}': {}", path, error.message());
    return status;
  };
  if (const fs::file_status status = status_of(path_); !fs::exists(status))
    fail("there is no run directory or exported model '{}'{}", path_, near);
  else if (!fs::is_directory(status))
    fail("'{}' is not a run directory but a file{}", path_, near);
  if (fs::exists(status_of(file(config_name)))) return;
  if (has_checkpoint()) fail("'{}' holds checkpoints but no config.toml: restore that file", path_);
  if (is_marked())
    fail("a training in '{}' ended before it began: start it again with `cuelbo train CONFIG --output {}`",
         path_, shell_quoted(path_));
  fail("'{}' is not a run directory: it holds no config.toml{}", path_, near);
}

// A run that ended before its first checkpoint is replaced; files that are not a run's are not.
void RunDirectory::check_unused() const {
  if (has_checkpoint())
    fail("'{}' holds a run already: continue it with --resume, or choose another --output", path_);
  if (is_marked()) return;
  for (const auto& entry : entries_of(path_)) {
    const std::string name = entry.path().filename();
    std::error_code ignored;
    if (entry.is_directory(ignored) && fs::is_empty(entry.path(), ignored)) continue;
    if (is_written_name(name))
      fail("'{}' holds '{}', which is not a run's and would be replaced: choose another --output", path_,
           name);
  }
}

// A run that ended before its first checkpoint may be started over, but not one whose checkpoints are gone.
void RunDirectory::check_not_lost() const {
  if (has_checkpoint() || !is_marked()) return;
  std::error_code error;
  const auto has = [&](std::string_view name) { return fs::exists(fs::path(path_) / name, error); };
  // The last two are for runs of older programs. The log is written after the folder was made.
  const bool trained = RunLock::is_kept_trained(path_) || std::ranges::any_of(result_names, has) ||
                       (!has(folder) && has(log_name) && !fs::is_empty(file(log_name), error));
  if (!trained) return;
  std::vector<std::string_view> found;
  std::ranges::copy_if(written_names, std::back_inserter(found),
                       [&](std::string_view name) { return name != folder && has(name); });
  fail(
      "'{}' holds {} of a run whose checkpoints are missing: restore them, choose another --output, or "
      "remove "
      "the directory",
      path_, fmt::join(found, ", "));
}

void RunDirectory::set_config(const RunConfig& config) {
  config_is_written_ = false;
  config_ = config;
}

std::string RunDirectory::file(const std::string& name) const { return (fs::path(path_) / name).string(); }

std::vector<std::string> RunDirectory::checkpoints() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_of(file(folder))) {
    std::string name = entry.path().filename().string();
    if (is_step_checkpoint(name)) names.push_back(std::move(name));
  }
  // Steps have leading zeros, so a longer name is a later step.
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.size(), std::string_view(a)) > std::pair(b.size(), std::string_view(b));
  });
  // After a full disk, or when the user removed the others.
  std::error_code error;
  if (names.empty() && fs::exists(best_file(), error)) names.emplace_back(best_name);
  return names;
}

void RunDirectory::save_checkpoint(ParameterSet& parameters, const CheckpointInfo& info, bool best) {
  while (true) {
    if (lock_ != nullptr) path_ = lock_->directory();
    try {
      write_checkpoints(parameters, info, best);
      if (lock_ != nullptr) lock_->keep_trained();
      break;
    } catch (const Error&) {
      if (lock_ == nullptr || lock_->directory() == path_) throw;  // otherwise it was renamed just now
    }
  }
  const std::string directory = file(folder) + "/";
  const std::vector<std::string> names = checkpoints();
  std::error_code error;  // an old checkpoint that cannot be removed does no harm
  for (std::size_t i = kept_checkpoints; i < names.size(); ++i) fs::remove(directory + names[i], error);
  // Half-written files of a killed process.
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.path().filename().string().find(".safetensors.partial-") != std::string::npos)
      fs::remove(entry.path(), error);
}

void RunDirectory::write_checkpoints(ParameterSet& parameters, const CheckpointInfo& info, bool best) const {
  create_directory(file(folder));
  const std::string directory = file(folder) + "/";
  if (best) write_checkpoint(directory + best_name, parameters, info);
  write_checkpoint(directory + fmt::format("step-{:08}.safetensors", info.state.step), parameters, info);
  // Without a validation in this training there is no best checkpoint: an older one was measured on other data.
  std::error_code error;
  if (!info.state.has_validation) fs::remove(directory + best_name, error);
}

std::string RunDirectory::best_file() const { return file(folder) + "/" + best_name; }

bool RunDirectory::lacks_best(const TrainingState& state) const {
  std::error_code error;
  return state.has_validation && fs::status(best_file(), error).type() == fs::file_type::not_found;
}

std::string RunDirectory::checkpoint_file(Which which) const {
  std::string best = std::string(folder) + "/" + best_name;
  if (which == Which::best && fs::exists(file(best))) return best;
  const std::vector<std::string> names = checkpoints();
  if (names.empty()) check_not_lost();
  if (names.empty())
    fail("'{}' holds no checkpoint yet: `cuelbo train --resume {}` makes one", path_, shell_quoted(path_));
  return std::string(folder) + "/" + names.front();
}

Checkpoint RunDirectory::load_checkpoint(Which which) const {
  const std::string name = checkpoint_file(which);
  try {
    return read_checkpoint(file(name));
  } catch (const Error& error) {
    if (access(file(name).c_str(), R_OK) != 0) throw;  // it may be whole
    const std::vector<std::string> names = checkpoints();
    const auto older = std::find_if(names.begin(), names.end(),
                                    [&](const std::string& n) { return fs::path(name).filename() != n; });
    if (older == names.end()) fail("{}; there is no other checkpoint: start a new training", error.what());
    fail("{}; remove it to use {}/{}", error.what(), folder, *older);
  }
}

std::string arithmetic_name(const Device& device) {
  if (device.name() != "cpu") return device.name();
  return fmt::format("cpu {}{}", kernels::cpu_path_name(),
                     device.precision() == kernels::Precision::bf16 ? " bf16" : "");
}

LoadedModel load_model(const RunDirectory& run, const DeviceOptions& options) {
  DeviceOptions with_precision = options;
  if (!with_precision.precision) with_precision.precision = run.config().precision;
  LoadedModel loaded{.device = open_device(with_precision),
                     .checkpoint = run.checkpoint_file(RunDirectory::Which::best)};
  const Checkpoint checkpoint = run.load_checkpoint(RunDirectory::Which::best);
  loaded.parameters = std::make_unique<ParameterSet>(*loaded.device);
  loaded.model = std::make_unique<Hfvae>(*loaded.parameters, run.config(), checkpoint.info.image);
  in_context(fmt::format("'{}'", run.file(loaded.checkpoint)),
             [&] { restore(*loaded.parameters, checkpoint.content, /*with_moments=*/false); });
  loaded.state = checkpoint.info.state;
  loaded.fingerprint = checkpoint.info.fingerprint;
  if (!loaded.fingerprint.empty()) loaded.stored = loaded.fingerprint.stored;
  return loaded;
}

void refuse_config_changes(const RunDirectory& run, const std::string& changes) {
  if (changes.empty()) return;
  throw ChangedError(fmt::format(
      "'{}' was changed after training: {}; restore it, or pass --accept-changes to continue anyway",
      run.file("config.toml"), changes));
}

void refuse_data_changes(const RunDirectory& run, const std::string& changes) {
  if (changes.empty()) return;
  throw ChangedError(
      fmt::format("the data of '{}' was changed after training: {}; restore it, or pass "
                  "--accept-changes to continue anyway",
                  run.path(), changes));
}

}  // namespace cuelbo
