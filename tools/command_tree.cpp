#include "tools/command_tree.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {

std::vector<const CLI::App*> subcommands(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); });
}

std::vector<std::string> subcommand_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* c : subcommands(command)) names.push_back(c->get_name());
  return names;
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

const CLI::App& find_command(const CLI::App& root, const std::vector<std::string>& path) {
  const CLI::App* at = &root;
  for (const std::string& name : path) {
    const auto commands = subcommands(*at);
    const auto found =
        std::ranges::find_if(commands, [&](const CLI::App* c) { return c->get_name() == name; });
    if (found == commands.end())
      usage_fail("{} has no command '{}'{}", full_name(*at), name, did_you_mean(name, subcommand_names(*at)));
    at = *found;
  }
  return *at;
}

std::vector<const CLI::Option*> named_options(const CLI::App& command) {
  return command.get_options([](const CLI::Option* o) { return o->nonpositional(); });
}

std::vector<const CLI::Option*> positional_options(const CLI::App& command) {
  return command.get_options([](const CLI::Option* o) { return o->get_positional(); });
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

namespace {

// An empty path is an unset variable of a script.
void refuse_empty(CLI::Option& option) {
  option.check(CLI::Validator(
      [name = option.get_name()](const std::string& text) {
        if (text.empty()) usage_fail("{} is empty; it must be a path", name);
        return std::string();
      },
      ""));
}

}  // namespace

void name_values(CLI::App& root) {
  constexpr std::array<std::pair<std::string_view, const char*>, 12> values{{{"--input", "FILE"},
                                                                             {"--data", "FILE"},
                                                                             {"--output", "FILE"},
                                                                             {"--code", "FILE"},
                                                                             {"--source", "FILE"},
                                                                             {"--resume", "DIR"},
                                                                             {"--device", "DEVICE"},
                                                                             {"--set", "KEY=VALUE"},
                                                                             {"--shape", "SIZE=N,..."},
                                                                             {"--where", "FACTOR=VALUE,..."},
                                                                             {"--gpu", "GPU"},
                                                                             {"--kernel", "NAME"}}};
  for (CLI::Option* option : root.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_type_name() != "TEXT") continue;
    const auto found =
        std::ranges::find_if(values, [&](const auto& v) { return v.first == option->get_name(); });
    if (option->get_positional())
      option->type_name("");
    else if (found != values.end())
      option->type_name(found->second);
  }
  for (CLI::Option* option : root.get_options([](const CLI::Option*) { return true; })) {
    const std::string value = value_name(*option);
    if (value == "FILE" || value == "DIR") refuse_empty(*option);
  }
  for (CLI::App* command : root.get_subcommands(nullptr)) name_values(*command);
}

std::string value_name(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(/*positional=*/true);
  return option.get_items_expected_max() == 0 ? "" : option.get_type_name();
}

}  // namespace cuelbo
