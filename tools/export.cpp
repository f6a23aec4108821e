#include <string>

#include <fmt/format.h>

#include "models/model_file.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct ExportOptions {
  RunOptions run;
  std::string output, format = "safetensors";
};

int run_export(const ExportOptions& options) {
  OutputFile output(options.output, ".safetensors");
  const OpenRun run = open_run(options.run);
  refuse_inputs(output, run);
  output.check_writable();
  const LoadedModel& loaded = run.loaded;
  write_model_file(output.path(), loaded);
  output.finish();
  const std::int64_t tensors = std::ssize(loaded.parameters->parameters());
  output.report(fmt::format("{} tensors, {} trained parameters, step {}", tensors,
                            loaded.parameters->parameter_count(), loaded.state.step),
                {{"tensors", tensors},
                 {"parameters", loaded.parameters->parameter_count()},
                 {"step", loaded.state.step}});
  return exit_done;
}

}  // namespace

void add_export(CLI::App& app, Run& run) {
  add_command<ExportOptions>(
      app, run, "export",
      "The best model as one file that serves in place of the run, without its paths and training settings",
      [](CLI::App& command, ExportOptions& options) {
        add_run_options(command, options.run);
        command.add_option("-o,--output", options.output, "The .safetensors to write; - for standard output")
            ->required();
        limit_to(command.add_option("--format", options.format, "File format"), {"safetensors"})
            ->capture_default_str();
      },
      run_export);
}

}  // namespace cuelbo
