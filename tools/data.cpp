#include <memory>
#include <string>

#include <fmt/format.h>

#include "models/data/dsprites.hpp"
#include "models/data/where.hpp"
#include "models/data/write_npz.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct DspritesOptions {
  std::string output, where;
};

int run_dsprites(const DspritesOptions& options) {
  OutputFile output(options.output, ".npz");
  output.check_writable();
  const std::shared_ptr<const Dataset> dataset = filter(std::make_shared<Dsprites>(), options.where);
  write_npz(output.path(), *dataset);
  output.finish();
  output.report(fmt::format("{} images of {}x{}, {} factors", dataset->size(), dataset->height(),
                            dataset->width(), dataset->factors().size()),
                {{"items", dataset->size()},
                 {"height", dataset->height()},
                 {"width", dataset->width()},
                 {"factors", std::ssize(dataset->factors())}});
  return exit_done;
}

}  // namespace

void add_data(CLI::App& app, Run& run) {
  CLI::App* data = app.add_subcommand("data", "Write a data set as a file");
  data->require_subcommand(1);
  add_command<DspritesOptions>(
      *data, run, "dsprites", "dSprites, rendered from its factors, as .npz with images and factors",
      [](CLI::App& command, DspritesOptions& options) {
        command.add_option("-o,--output", options.output, "The .npz to write; - for standard output")
            ->required();
        command.add_option("--where", options.where, "Selection by factors, as in shape=heart,scale>0.6");
      },
      run_dsprites);
}

}  // namespace cuelbo
