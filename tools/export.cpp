#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/io/safetensors.hpp"
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
  output.refuse_inputs_of(run.directory);
  output.check_writable();
  const LoadedModel& loaded = run.loaded;
  Safetensors file;
  const auto& parameters = loaded.parameters->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    file.tensors.emplace(parameters[i].name,
                         make_array(parameters[i].shape, loaded.parameters->read(static_cast<int>(i))));
  const ImageShape image = loaded.model->image();
  file.metadata = {{"format", "cuelbo"},
                   {"format_version", "1"},
                   {"config", to_toml(run.directory.config())},
                   {"image", fmt::format("{} {} {}", image.height, image.width, image.channels)},
                   {"step", std::to_string(loaded.state.step)},
                   {"checkpoint", loaded.checkpoint}};
  write_safetensors(output.path(), file);
  output.finish();
  output.report(fmt::format("{} tensors, {} trained parameters, step {}", file.tensors.size(),
                            loaded.parameters->parameter_count(), loaded.state.step),
                {{"tensors", std::ssize(file.tensors)},
                 {"parameters", loaded.parameters->parameter_count()},
                 {"step", loaded.state.step}});
  return exit_done;
}

}  // namespace

void add_export(CLI::App& app, Run& run) {
  add_command<ExportOptions>(
      app, run, "export", "The best model as one file, with its config and format version in the metadata",
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
