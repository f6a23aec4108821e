// The commands with their options, as they were declared: help, completion and man pages are made from it.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace cuelbo {

// The commands of a command, without hidden ones, in their order.
std::vector<const CLI::App*> subcommands(const CLI::App& command);
std::vector<std::string> subcommand_names(const CLI::App& command);

// "cuelbo kernels list"
std::string full_name(const CLI::App& command);

// The command that `path` ("kernels", "list") leads to. UsageError: there is none, with the nearest name.
const CLI::App& find_command(const CLI::App& root, const std::vector<std::string>& path);

std::vector<const CLI::Option*> named_options(const CLI::App& command);  // --help included
std::vector<const CLI::Option*> positional_options(const CLI::App& command);

// "-o", "--output"
std::vector<std::string> names_of(const CLI::Option& option);

// Names the values of options, as in FILE or DEVICE: options of the same name take the same kind of value everywhere.
void name_values(CLI::App& root);

// The name of its value, as in FILE or fp32|bf16; "" for a flag, and its own name for a positional option.
std::string value_name(const CLI::Option& option);

}  // namespace cuelbo
