#include "tools/command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "models/version.hpp"
#include "tools/command_tree.hpp"
#include "tools/commands.hpp"
#include "tools/completion.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/standard_streams.hpp"
#include "tools/stop_signal.hpp"

namespace cuelbo {

namespace {

// The command that the arguments lead to: "data dsprites -o x" leads to `dsprites`.
const CLI::App& innermost(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.front());
}

// The outermost command with words that it does not take: an option in front of a command's name is not that command's.
const CLI::App& with_extras(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() || !app.remaining(false).empty() ? app : with_extras(*chosen.front());
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : named_options(command))
    for (const std::string& name : names_of(*option)) names.push_back(name);
  return names;
}

// CLI11's message for words that nothing takes, with the nearest command or option.
std::string describe_extra(const CLI::App& app) {
  const CLI::App& command = with_extras(app);
  const auto extras = command.remaining(false);
  const std::string word = extras.empty() ? "" : extras.front();
  if (word == "--" && &innermost(app) == &app) return "a command comes before --";
  if (word == "--") {
    const auto& last = innermost(app);
    const std::string after = extras.size() > 1 ? extras[1] : "";
    return fmt::format("{}: unexpected argument '{}' after --",
                       full_name(last).substr(app.get_name().size() + 1), shown(after));
  }
  const std::string where =
      &command == &app ? "" : full_name(command).substr(app.get_name().size() + 1) + ": ";
  if (!word.starts_with('-')) {
    const auto names = subcommand_names(command);
    if (names.empty()) return fmt::format("{}unexpected argument '{}'", where, shown(word));
    return fmt::format("{}no command '{}'{}; see `{} --help`", where, shown(word), did_you_mean(word, names),
                       full_name(command));
  }
  const std::string name = word.substr(0, word.find('='));
  const CLI::App& last = innermost(app);
  if (&last != &command && std::ranges::count(option_names(last), name) > 0)
    return fmt::format("{} goes behind '{}'", name, last.get_name());
  const auto names = option_names(command);
  const std::string nearest = did_you_mean(name, names);
  const bool has_settings = std::ranges::count(names, "--set") > 0;
  return fmt::format(
      "{}no option '{}'{}", where, shown(name),
      nearest.empty() && has_settings
          ? "; keys of the configuration are set with --set KEY=VALUE, `cuelbo schema` lists them"
          : nearest);
}

// -q and --json, which every command takes in front of its name or behind it.
void add_output_options(CLI::App& app) {
  OutputOptions& output = output_options();
  app.add_flag("-q,--quiet", output.quiet, "Print results and errors only");
  app.add_flag("--json", output.json, "Print results, and errors too, as JSON on standard output");
}

void add_output_options_to_commands(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    add_output_options(*command);
    add_output_options_to_commands(*command);
  }
}

// An error in the arguments is JSON too, wherever --json appears.
bool asks_for_json(int argc, const char* const* argv) {
  const char* const* const end = std::find(argv, argv + argc, std::string_view("--"));
  return std::find(argv, end, std::string_view("--json")) != end;
}

// CLI11's messages name types and counts; these say what is missing.
std::string describe(const CLI::ParseError& error, const CLI::App& command) {
  const std::string what = error.what();
  const std::string help = fmt::format("see `{} --help`", full_name(command));
  if (error.get_name() == "ArgumentMismatch") {
    const std::string name = what.substr(0, what.find(':'));
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option != nullptr && option->count() > static_cast<std::size_t>(option->get_items_expected_max()))
      return fmt::format("{} is given {} times; {}", name, option->count(), help);
    return fmt::format("{} needs a value; {}", name, help);
  }
  if (error.get_name() == "RequiredError" && !subcommands(command).empty())
    return fmt::format("name a command, {}; {}", listed(subcommand_names(command)), help);
  return fmt::format("{}; {}", what, help);
}

int run_commands(int argc, const char* const* argv) {
  CLI::App app("Hierarchical disentangled variational autoencoders: train, evaluate and inspect them.",
               "cuelbo");
  app.set_version_flag("-V,--version", fmt::format("cuelbo {}", version()), "Print the version");
  app.require_subcommand(1);
  app.footer(fmt::format("Run `cuelbo help COMMAND` for details.\n{}", exit_codes_text));
  Run run;
  add_train(app, run);
  add_evaluate(app, run);
  add_report(app, run);
  add_traverse(app, run);
  add_encode(app, run);
  add_decode(app, run);
  add_export(app, run);
  add_objective(app, run);
  add_data(app, run);
  add_presets(app, run);
  add_devices(app, run);
  add_kernels(app, run);
  add_schema(app, run);
  add_help(app, run);
  add_completion(app, run);
  add_man(app, run);
  add_output_options(app);
  add_output_options_to_commands(app);
  name_values(app);

  if (argc > 2 && argv[1] == std::string_view(complete_command)) {
    fmt::print("{}", complete(app, {argv + 2, argv + argc}));
    return exit_done;
  }
  if (argc < 2) {
    fmt::print("{}", app.help());
    return exit_usage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_help(app, innermost(app));
    return exit_done;
  } catch (const CLI::CallForVersion& asked) {
    print_result(asked.what(), {{"version", std::string(version())}});
    return exit_done;
  } catch (const CLI::ExtrasError&) {
    throw UsageError(describe_extra(app));
  } catch (const CLI::ParseError& error) {
    const CLI::App& command = innermost(app);
    if (!app.remaining(true).empty()) throw UsageError(describe_extra(app));
    throw UsageError(describe(error, command));
  }
  return run();
}

int complain(int code, const std::string& message) {
  print_error(message, code);
  return code;
}

int run_guarded(int argc, const char* const* argv) {
  try {
    const int code = run_commands(argc, argv);
    errno = why_output_was_lost();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw std::system_error(errno, std::generic_category());
    return code;
  } catch (const UsageError& error) {
    return complain(exit_usage, error.what());
  } catch (const std::bad_alloc&) {
    return complain(exit_failed, "not enough memory");
  } catch (const std::filesystem::filesystem_error& error) {
    return complain(exit_failed,
                    fmt::format("'{}': {}", shown(error.path1().string()), error.code().message()));
  } catch (const std::system_error& error) {
    if (std::ferror(stdout) == 0) return complain(exit_failed, error.what());
    if (output_reader_is_gone()) end_by_signal(SIGPIPE);  // quietly, as `| head` expects
    return complain(exit_failed, fmt::format("cannot write to standard output: {}", error.code().message()));
  } catch (const std::exception& error) {
    return complain(exit_failed, error.what());
  }
}

}  // namespace

int run_command_line(int argc, const char* const* argv) noexcept {
  open_missing_standard_streams();
  handle_signals();
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  output_options() = {.json = asks_for_json(argc, argv)};
  try {
    return run_guarded(argc, argv);
  } catch (...) {
    return exit_failed;  // not even a message could be made
  }
}

}  // namespace cuelbo
