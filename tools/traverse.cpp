#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/gallery.hpp"
#include "tools/open_run.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct TraverseOptions {
  RunOptions run;
  std::string output;
  DataOption data;
  std::int64_t item = 0;
};

int run_traverse(const TraverseOptions& options) {
  OutputFile output(options.output, ".png");
  OpenRun run = open_run(options.run);
  refuse_inputs(output, run);
  output.check_writable();
  const RunData data = open_data(run, options.data);
  const Gallery gallery = make_gallery(run, data, options.item);
  write_png(output.path(), traversal_grid(gallery));
  output.finish();
  std::string text = "rows from the top";
  std::vector<Fields> rows, grids;
  for (const Traversal& row : gallery.traversals) {
    text += fmt::format("\n  {:<20} KL {:.3f} nats", row.axis.name, row.axis.kl);
    rows.push_back({{"name", row.axis.name}, {"kl", row.axis.kl}});
  }
  for (const ClassGrid& grid : gallery.class_grids) {
    text += fmt::format("\n  {} (down) × {} (across)", grid.group.name, grid.dim.name);
    grids.push_back({{"down", grid.group.name}, {"across", grid.dim.name}});
  }
  output.report(text, {{"rows", rows}, {"class_grids", grids}});
  return exit_done;
}

}  // namespace

void add_traverse(CLI::App& app, Run& run) {
  add_command<TraverseOptions>(
      app, run, "traverse",
      "Latent traversals as a PNG: rows sorted by KL, then classes × dimensions where there is a discrete "
      "group",
      [](CLI::App& command, TraverseOptions& options) {
        add_run_options(command, options.run);
        command.add_option("-o,--output", options.output, "The .png to write; - for standard output")
            ->required();
        add_data_option(command, options.data);
        add_number(command, "--item", options.item, at_least(0),
                   "Start from the code of this item of the test split")
            ->capture_default_str();
      },
      run_traverse);
}

}  // namespace cuelbo
