#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/error.hpp"
#include "engine/io/input_file.hpp"
#include "engine/shell_quoted.hpp"
#include "models/trainer.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/launcher.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/standard_streams.hpp"
#include "tools/stop_signal.hpp"

namespace cuelbo {

namespace {

struct TrainOptions {
  std::string config, output, resume;
  std::vector<std::string> settings;
  std::string device;
  int threads = -1;  // as in the configuration
  std::int64_t seed = -1, steps = 0;
  bool accept_changes = false;
};

std::string default_output(const std::string& config, std::uint64_t seed) {
  return fmt::format("run/{}-{}", std::filesystem::path(config).stem().string(), seed);
}

RunConfig new_config(const TrainOptions& options) {
  if (options.config.empty())
    usage_fail("train: name a preset or a config file, or --resume a run; `cuelbo presets` lists presets");
  if (std::error_code error;
      std::filesystem::is_regular_file(std::filesystem::path(options.config) / "config.toml", error))
    usage_fail("'{}' is a run directory, not a config: did you mean --resume {}?", options.config,
               shell_quoted(options.config));
  std::vector<std::string> settings = options.settings;
  if (options.seed >= 0) settings.push_back(fmt::format("seed={}", options.seed));
  if (options.steps > 0) settings.push_back(fmt::format("optimizer.steps={}", options.steps));
  if (!options.device.empty()) settings.push_back(fmt::format("device={}", options.device));
  return load_config(options.config, settings);
}

// The run's own configuration counts; only how far to go may change.
void check_resume(const TrainOptions& options) {
  if (!options.config.empty() || !options.output.empty() || !options.settings.empty() || options.seed >= 0)
    usage_fail(
        "train: --resume takes everything from {}/config.toml: omit CONFIG, --output, --set and --seed",
        options.resume);
}

// The result: where the run is, if it is finished; with --json how it ended.
void print_end(const RunDirectory& run, const char* outcome) {
  print_if_possible([&] {
    if (json_wanted())
      print_json_line({{"kind", "end"}, {"outcome", outcome}, {"directory", run.path()}});
    else if (outcome == std::string_view("finished"))
      print_line(run.path());
  });
}

int train_in(RunDirectory& run, const TrainOptions& options) {
  const DeviceOptions device{.name = options.device.empty() ? run.config().device : options.device,
                             .threads = options.threads >= 0 ? options.threads : run.config().threads,
                             .precision = run.config().precision};
  const StopSignal signal;
  ProgressPrinter printer;
  TrainerEvents events{.note = [&](const std::string& line) { print_note(line); },
                       .working = [&](const TrainingRecord& record) { printer.working(record); },
                       .progress = [&](const TrainingRecord& record) { printer.progress(record); },
                       .validated = [&](const ValidationRecord& record) { printer.validated(record); },
                       .logged = {}};
  if (json_wanted())
    events.logged = [](const std::string& line) { print_if_possible([&] { print_line(line); }); };
  if (train(run, device, StopSignal::requested(), events, options.accept_changes) ==
      TrainingOutcome::interrupted) {
    note("stopped; continue with: cuelbo train --resume {}", shell_quoted(run.path()));
    print_end(run, "interrupted");
    return exit_interrupted;
  }
  const std::string directory = shell_quoted(run.path());
  note("done; next: cuelbo evaluate {} && cuelbo report {}", directory, directory);
  note("curves: tensorboard --logdir {}", directory);
  print_end(run, "finished");
  return exit_done;
}

int resume(const TrainOptions& options) {
  check_resume(options);
  if (options.steps > 0) {
    const RunDirectory run = RunDirectory::open(options.resume);
    const std::int64_t done =
        run.has_checkpoint() ? run.load_checkpoint(RunDirectory::Which::newest).info.state.step : 0;
    if (options.steps <= done) {
      note("nothing left to do: '{}' has done {} steps, --steps asks for {}", run.path(), done,
           options.steps);
      print_end(run, "finished");
      return exit_done;
    }
  }
  RunDirectory run = RunDirectory::resume(options.resume);
  if (options.steps > 0) run.set_steps(options.steps);
  return train_in(run, options);
}

// The run is resumed and evaluated later.
void refuse_pipe(const std::string& data_path) {
  std::error_code error;
  const auto type = std::filesystem::status(data_path, error).type();
  if (data_path == standard_input || type == std::filesystem::file_type::fifo ||
      type == std::filesystem::file_type::socket)
    usage_fail("data.path is a pipe; a run needs a file it can read again");
  if (names_descriptor(data_path))
    usage_fail("data.path is '{}', which only this process has open; a run needs a file it can read again",
               data_path);
}

int run_train(const TrainOptions& options) {
  refuse_several_processes();
  if (!options.resume.empty()) return resume(options);
  const RunConfig config = new_config(options);
  refuse_pipe(config.data.path);
  RunDirectory run = RunDirectory::create(
      options.output.empty() ? default_output(options.config, config.seed) : options.output, config);
  return train_in(run, options);
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
        command.add_option("-o,--output", options.output, "Run directory [run/<config>-<seed>]")
            ->type_name("DIR");
        command.add_option("--resume", options.resume, "Continue the run in this directory");
        add_accept_changes(command, options.accept_changes);
        add_number(command, "--seed", options.seed, at_least(0), "Seed of weights, splits and noise");
        add_number(command, "--steps", options.steps, at_least(1), "Total optimizer steps");
        command.add_option("--device", options.device, "auto, cpu, cuda, cuda:N, simt or simt-checked");
        add_threads_option(command, options.threads);
      },
      run_train);
}

}  // namespace cuelbo
