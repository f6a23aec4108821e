#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"
#include "models/trainer.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/stop_signal.hpp"

namespace cuelbo {

namespace {

struct TrainOptions {
  std::string config, output, resume;
  std::vector<std::string> settings;
  std::string device;
  int threads = 0;
  std::int64_t seed = -1, steps = 0;
};

std::string default_output(const std::string& config, std::uint64_t seed) {
  return fmt::format("run/{}-{}", std::filesystem::path(config).stem().string(), seed);
}

RunConfig new_config(const TrainOptions& options) {
  if (options.config.empty())
    usage_fail("train: name a preset or a config file, or --resume a run; `cuelbo presets` lists presets");
  std::vector<std::string> settings = options.settings;
  if (options.seed >= 0) settings.push_back(fmt::format("seed={}", options.seed));
  if (options.steps > 0) settings.push_back(fmt::format("optimizer.steps={}", options.steps));
  if (!options.device.empty()) settings.push_back(fmt::format("device=\"{}\"", options.device));
  return load_config(options.config, settings);
}

// The run's own configuration counts; only how far to go may change.
RunDirectory resume_run(const TrainOptions& options) {
  if (!options.config.empty() || !options.output.empty() || !options.settings.empty() || options.seed >= 0)
    usage_fail(
        "train: --resume takes everything from {}/config.toml: leave CONFIG, --output, --set and --seed away",
        options.resume);
  RunDirectory run = RunDirectory::open(options.resume);
  if (options.steps == 0 || options.steps == run.config().training.steps) return run;
  RunConfig config = run.config();
  config.training.steps = options.steps;
  write_file(run.file("config.toml"), to_toml(config));
  return RunDirectory::open(options.resume);
}

// Removes a directory that this command made, unless keep() has been called: a run that never began leaves nothing.
class NewDirectory {
 public:
  explicit NewDirectory(std::string path)
      : path_(std::move(path)), remove_(!std::filesystem::exists(path_)) {}
  ~NewDirectory() {
    std::error_code ignored;
    if (remove_) std::filesystem::remove_all(path_, ignored);
  }
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;

  void keep() { remove_ = false; }

 private:
  std::string path_;
  bool remove_;
};

int train_in(RunDirectory& run, const TrainOptions& options, const std::function<void()>& begun) {
  const DeviceOptions device{.name = options.device.empty() ? run.config().device : options.device,
                             .threads = options.threads > 0 ? options.threads : run.config().threads,
                             .precision = run.config().precision};
  const auto print_end = [&](const char* outcome) {
    if (json_wanted()) print_json_line({{"kind", "end"}, {"outcome", outcome}, {"directory", run.path()}});
  };
  const StopSignal signal;
  ProgressPrinter printer;
  TrainerEvents events{.started =
                           [&](const std::string& line) {
                             begun();
                             print_note(line);
                           },
                       .working = [&](const TrainingRecord& record) { printer.working(record); },
                       .progress = [&](const TrainingRecord& record) { printer.progress(record); },
                       .validated = [&](const ValidationRecord& record) { printer.validated(record); },
                       .logged = {}};
  if (json_wanted()) events.logged = [](const std::string& line) { print_line(line); };
  if (train(run, device, StopSignal::requested(), events) == TrainingOutcome::interrupted) {
    note("stopped; continue with: cuelbo train --resume {}", run.path());
    print_end("interrupted");
    return exit_interrupted;
  }
  note("done; next: cuelbo evaluate {} && cuelbo report {}", run.path(), run.path());
  note("curves: tensorboard --logdir {}", run.path());
  print_end("finished");
  if (!json_wanted()) fmt::print("{}\n", run.path());
  return exit_done;
}

int run_train(const TrainOptions& options) {
  if (!options.resume.empty()) {
    RunDirectory run = resume_run(options);
    return train_in(run, options, [] {});
  }
  const RunConfig config = new_config(options);
  const std::string output =
      options.output.empty() ? default_output(options.config, config.seed) : options.output;
  NewDirectory directory(output);
  RunDirectory run = RunDirectory::create(output, config);
  return train_in(run, options, [&] { directory.keep(); });
}

}  // namespace

void add_train(CLI::App& app, Run& run) {
  add_command<TrainOptions>(
      app, run, "train", "Train a model, or continue a run",
      [](CLI::App& command, TrainOptions& options) {
        command.add_option("CONFIG", options.config, "A preset's name (`cuelbo presets`) or a TOML file");
        command
            .add_option("--set", options.settings,
                        "key=value, as in --set optimizer.adam.learning_rate=3e-4; repeatable")
            ->allow_extra_args(false);
        command.add_option("--output", options.output, "Run directory [run/<config>-<seed>]");
        command.add_option("--resume", options.resume, "Continue the run in this directory");
        add_number(command, "--seed", options.seed, at_least(0), "Seed of weights, splits and noise");
        add_number(command, "--steps", options.steps, at_least(1), "Total optimizer steps");
        command.add_option("--device", options.device, "auto, cpu, cuda, cuda:N, simt or simt-checked");
        add_threads_option(command, options.threads);
      },
      run_train);
}

}  // namespace cuelbo
