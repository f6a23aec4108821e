#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "models/config.hpp"
#include "models/config_schema.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

struct PresetsOptions {
  std::string name;
};

Fields to_fields(const Preset& preset) {
  return {{"name", std::string(preset.name)},
          {"description", std::string(preset.description)},
          {"toml", std::string(preset.toml)}};
}

int list_presets() {
  if (json_wanted()) {
    std::vector<Fields> all;
    for (const Preset& preset : presets()) all.push_back(to_fields(preset));
    print_json(all);
    return exit_done;
  }
  std::size_t width = 0;
  for (const Preset& preset : presets()) width = std::max(width, preset.name.size());
  for (const Preset& preset : presets()) fmt::print("{:<{}}  {}\n", preset.name, width, preset.description);
  return exit_done;
}

int run_presets(const PresetsOptions& options) {
  if (options.name.empty()) return list_presets();
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.name == options.name) {
      if (json_wanted())
        print_json(to_fields(preset));
      else
        fmt::print("{}", preset.toml);
      return exit_done;
    }
    names.emplace_back(preset.name);
  }
  usage_fail("no preset '{}'{}", options.name, did_you_mean(options.name, names));
}

}  // namespace

void add_presets(CLI::App& app, Run& run) {
  add_command<PresetsOptions>(
      app, run, "presets", "List the presets, or print one as a config to start from",
      [](CLI::App& command, PresetsOptions& options) {
        command.add_option("PRESET", options.name, "Print this preset's TOML");
      },
      run_presets);
}

// A preset is one configuration; the schema describes them all.
void add_schema(CLI::App& app, Run& run) {
  struct SchemaOptions {};
  add_command<SchemaOptions>(
      app, run, "schema", "Print the JSON Schema of configurations, for editors and scripts",
      [](CLI::App&, SchemaOptions&) {},
      [](const SchemaOptions&) {
        fmt::print("{}\n", config_json_schema());
        return exit_done;
      });
}

}  // namespace cuelbo
