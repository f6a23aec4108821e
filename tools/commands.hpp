// The commands. Each add_… declares one with its options and, when it is the chosen one, sets `run`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

namespace cuelbo {

using Run = std::function<int()>;  // returns the exit code

void add_train(CLI::App& app, Run& run);
void add_evaluate(CLI::App& app, Run& run);
void add_report(CLI::App& app, Run& run);
void add_traverse(CLI::App& app, Run& run);
void add_encode(CLI::App& app, Run& run);
void add_decode(CLI::App& app, Run& run);
void add_export(CLI::App& app, Run& run);
void add_objective(CLI::App& app, Run& run);
void add_data(CLI::App& app, Run& run);
void add_presets(CLI::App& app, Run& run);
void add_devices(CLI::App& app, Run& run);
void add_kernels(CLI::App& app, Run& run);
void add_schema(CLI::App& app, Run& run);
void add_help(CLI::App& app, Run& run);
void print_help(const CLI::App& app, const CLI::App& command);
void add_completion(CLI::App& app, Run& run);
void add_man(CLI::App& app, Run& run);

// Declares a command: declare(command, options) adds its options, act(options) runs it.
template <class Options, class Declare, class Act>
void add_command(CLI::App& app, Run& run, const std::string& name, const std::string& description,
                 Declare declare, Act act) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(name, description);
  declare(*command, *options);
  command->callback([&run, options, act] { run = [options, act] { return act(*options); }; });
}

}  // namespace cuelbo
