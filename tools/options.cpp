#include "tools/options.hpp"

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <fmt/ranges.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {

namespace {

constexpr std::string_view one_of = "one of ";  // in front of the names in a validator's name

// As messages and users know it: "--output" of "-o,--output".
std::string shown_name(const CLI::Option& option) { return option.get_name(); }

template <class T>
std::optional<T> parse_all(std::string_view text, std::errc& error) {
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  error = code;
  if (end != text.data() + text.size() || code == std::errc::invalid_argument) return {};
  return value;
}

// The number in plain decimal.
std::string whole_number(const std::string& name, const std::string& text, const Range& range,
                         std::uint64_t most) {
  const auto refuse = [&](const std::string& wanted) {
    const bool number = !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string::npos;
    usage_fail("{} is {}; it must be {}", name, number ? shown(text) : fmt::format("'{}'", shown(text)),
               wanted);
  };
  const auto check = [&](double value) {
    if (!range.contains(value)) refuse(to_string(range));
  };
  std::errc error{};
  const bool negative = text.starts_with('-');
  const std::string_view digits = std::string_view(text).substr(text.starts_with('+') || negative ? 1 : 0);
  if (const auto value = parse_all<std::uint64_t>(digits, error); value && error == std::errc()) {
    check(negative ? -static_cast<double>(*value) : static_cast<double>(*value));
    if (*value > most) refuse(fmt::format("at most {}", most));
    return fmt::format("{}{}", negative ? "-" : "", *value);
  }
  if (digits.starts_with('-')) refuse("a whole number");
  const auto value = parse_all<double>(digits, error);  // also "1e5"
  const bool tiny = error != std::errc() && digits.find_first_of('-') != std::string_view::npos;
  if (!value || tiny || std::isnan(*value) || std::isinf(*value) ||
      (error == std::errc() && *value != std::floor(*value)))
    refuse("a whole number");
  const double size = error == std::errc() ? *value : std::numeric_limits<double>::max();
  check(negative ? -size : size);
  constexpr double exact = 9007199254740992;  // 2^53
  const bool plain = digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (plain || size > static_cast<double>(most)) refuse(fmt::format("at most {}", most));
  if (size > exact) refuse("written in digits, because it is above 2^53");
  return fmt::format("{:.0f}", negative ? -size : size);
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t most = 40;
  if (text.size() <= most) return std::string(text);
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // inside a character
  return fmt::format("{}…", text.substr(0, end));
}

CLI::Option* limit_to(CLI::Option* option, const Range& range, std::uint64_t most) {
  const auto read = [name = shown_name(*option), range, most](std::string& text) {
    text = whole_number(name, text, range, most);
    return std::string();
  };
  option->type_name("N");
  return option->transform(CLI::Validator(read, "", to_string(range)));
}

std::string listed(const std::vector<std::string>& names) {
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

CLI::Option* limit_to(CLI::Option* option, const std::vector<std::string>& names) {
  const auto read = [name = shown_name(*option), names](const std::string& text) {
    if (std::ranges::find(names, text) == names.end())
      usage_fail("{} is '{}'; it must be {}{}", name, shown(text), listed(names), did_you_mean(text, names));
    return std::string();
  };
  option->type_name(fmt::format("{}", fmt::join(names, "|")));
  return option->check(CLI::Validator(read, "", fmt::format("{}{}", one_of, fmt::join(names, "|"))));
}

CLI::Option* add_threads_option(CLI::App& command, int& threads) {
  return add_number(command, "--threads", threads, at_least(0, 1024),
                    "CPU threads, 0 for all; results do not depend on it");
}

CLI::Option* add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& description) {
  return add_number(command, "--seed", seed, at_least(0), description)->capture_default_str();
}

OptionValues values_of(const CLI::Option& option) {
  OptionValues values;
  std::string name;
  try {
    name = const_cast<CLI::Option&>(option).get_validator(0)->get_name();  // which is not const in CLI11
  } catch (const CLI::OptionNotFound&) {
    return values;
  }
  if (!name.starts_with(one_of))
    values.range = name;
  else
    values.names = CLI::detail::split(name.substr(one_of.size()), '|');
  return values;
}

}  // namespace cuelbo
