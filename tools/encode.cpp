#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/codes.hpp"
#include "models/latent_names.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct EncodeOptions {
  RunOptions run;
  std::string input, output;
  std::vector<std::string> settings;
  std::uint64_t seed = 1;
};

int run_encode(const EncodeOptions& options) {
  OutputFile output(options.output, ".npz");
  output.refuse_input(options.input);
  OpenRun run = open_run(options.run);
  refuse_inputs(output, run);
  output.check_writable();
  LoadedModel& loaded = run.loaded;
  const std::shared_ptr<const Dataset> images = open_input(run, options.input, options.settings);
  std::vector<std::int64_t> items(static_cast<std::size_t>(images->size()));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  const Codes codes = encode(*loaded.device, *loaded.parameters, *loaded.model, *images, items, options.seed);
  write_codes(output.path(), codes);
  output.finish();
  output.report(fmt::format("codes of {} images, {} Gaussian dimensions, {} discrete groups", codes.items,
                            codes.dims, codes.discrete.size()),
                {{"items", codes.items},
                 {"columns", codes.names},
                 {"gaussian_dimensions", codes.dims},
                 {"discrete_groups", std::ssize(codes.discrete)}});
  note("columns of mean, logvar and z: {}", column_summary(loaded.model->tree()));
  return exit_done;
}

}  // namespace

void add_encode(CLI::App& app, Run& run) {
  add_command<EncodeOptions>(
      app, run, "encode",
      "Images to codes: mean, logvar, z, and logits_<group>, z_<group> of discrete groups",
      [](CLI::App& command, EncodeOptions& options) {
        add_run_options(command, options.run);
        command
            .add_option(
                "-i,--input", options.input,
                "Images in any format of training: .npy, .npz, IDX, a folder of PNG or JPEG, or dsprites")
            ->required();
        add_data_settings(command, options.settings);
        command.add_option("-o,--output", options.output, "The .npz to write; - for standard output")
            ->required();
        add_seed_option(command, options.seed, "Seed of the samples z");
      },
      run_encode);
}

}  // namespace cuelbo
