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

namespace cuelbo {

namespace {

struct TraverseOptions {
  RunOptions run;
  std::string output;
  std::int64_t item = 0;
};

int run_traverse(const TraverseOptions& options) {
  OpenRun run = open_run(options.run);
  const RunData data = open_run_data(run);
  const Gallery gallery = make_gallery(run, data, options.item);
  write_png(options.output, traversal_grid(gallery));
  if (json_wanted()) {
    std::vector<Fields> rows, grids;
    for (const Traversal& row : gallery.traversals)
      rows.push_back({{"name", row.axis.name}, {"kl", row.axis.kl}});
    for (const ClassGrid& grid : gallery.class_grids)
      grids.push_back({{"down", grid.group.name}, {"across", grid.dim.name}});
    print_json(Fields{{"file", options.output}, {"rows", rows}, {"class_grids", grids}});
    return exit_done;
  }
  fmt::print("{}: rows from the top\n", options.output);
  for (const Traversal& row : gallery.traversals)
    fmt::print("  {:<20} KL {:.3f} nats\n", row.axis.name, row.axis.kl);
  for (const ClassGrid& grid : gallery.class_grids)
    fmt::print("  {} (down) × {} (across)\n", grid.group.name, grid.dim.name);
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
        command.add_option("-o,--output", options.output, "The .png to write")->required();
        add_number(command, "--item", options.item, at_least(0),
                   "Start from the code of this item of the test split")
            ->capture_default_str();
      },
      run_traverse);
}

}  // namespace cuelbo
