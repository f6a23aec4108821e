// `cuelbo help`.
#include <fmt/format.h>

#include "tools/command_line.hpp"
#include "tools/command_tree.hpp"
#include "tools/commands.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

struct HelpOptions {
  std::vector<std::string> command;
};

Fields to_fields(const CLI::Option& option) {
  const OptionValues values = values_of(option);
  Fields fields;
  if (option.get_positional())
    fields.push_back({"name", option.get_name(/*positional=*/true)});
  else
    fields.push_back({"names", names_of(option)});
  fields.push_back({"value", value_name(option)});
  fields.push_back({"description", option.get_description()});
  fields.push_back({"required", option.get_required()});
  if (!option.get_default_str().empty()) fields.push_back({"default", option.get_default_str()});
  if (!values.range.empty()) fields.push_back({"range", values.range});
  if (!values.names.empty()) fields.push_back({"choices", values.names});
  return fields;
}

Fields to_fields(const CLI::App& command) {
  std::vector<Fields> arguments, options, commands;
  for (const CLI::Option* option : positional_options(command)) arguments.push_back(to_fields(*option));
  for (const CLI::Option* option : named_options(command)) options.push_back(to_fields(*option));
  for (const CLI::App* inner : subcommands(command)) commands.push_back(to_fields(*inner));
  return {{"name", full_name(command)},
          {"description", command.get_description()},
          {"arguments", arguments},
          {"options", options},
          {"commands", commands}};
}

}  // namespace

void print_help(const CLI::App& app, const CLI::App& command) {
  if (json_wanted())
    print_json(to_fields(command));
  else
    fmt::print("{}",
               app.get_formatter()->make_help(&command, full_name(command), CLI::AppFormatMode::Normal));
}

void add_help(CLI::App& app, Run& run) {
  add_command<HelpOptions>(
      app, run, "help", "Show the help of a command; with --json, all commands with all their options",
      [](CLI::App& command, HelpOptions& options) {
        command.add_option("COMMAND", options.command, "As in `cuelbo help kernels check`");
      },
      [&app](const HelpOptions& options) {
        print_help(app, find_command(app, options.command));
        return exit_done;
      });
}

}  // namespace cuelbo
