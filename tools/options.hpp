// Options whose values are numbers or one of a few names: how they are read, and what a message says of other values.
// Help, completion and man pages show what they may be.
#pragma once

#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/range.hpp"

namespace cuelbo {

// The largest value of a whole-number option.
template <std::integral T>
constexpr std::uint64_t largest = static_cast<std::uint64_t>(std::numeric_limits<T>::max());

// A whole number in base 10, also as 1e5. Every other value is a UsageError: "--steps is 0; it must be at least 1".
CLI::Option* limit_to(CLI::Option* option, const Range& range, std::uint64_t most);

template <std::integral T>
CLI::Option* add_number(CLI::App& command, const std::string& name, T& value, const Range& range,
                        const std::string& description) {
  return limit_to(command.add_option(name, value, description), range, largest<T>);
}

// --threads
CLI::Option* add_threads_option(CLI::App& command, int& threads);

// --seed
CLI::Option* add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& description);

// One of these names: "--precision is 'fp16'; it must be fp32 or bf16".
CLI::Option* limit_to(CLI::Option* option, const std::vector<std::string>& names);

// "a, b or c"
std::string listed(const std::vector<std::string>& names);

// A word of the command line for a message: long ones are cut.
std::string shown(std::string_view text);

// The values that an option takes.
struct OptionValues {
  std::string range;               // of a number: "at least 1"
  std::vector<std::string> names;  // if it is one of these
};
OptionValues values_of(const CLI::Option& option);

}  // namespace cuelbo
