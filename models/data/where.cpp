#include "models/data/where.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <ranges>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {
namespace {

constexpr double tolerance = 0.5e-3 + 1e-9;  // of a value written with three decimals

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// The first of `characters` that is not in quotes. A quotation mark counts at the start of a name or value only.
std::size_t find_unquoted(std::string_view text, std::string_view characters) {
  char quote = 0;
  bool at_start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (at_start && (c == '"' || c == '\'')) {
      quote = c;
    } else if (characters.find(c) != std::string_view::npos) {
      return i;
    }
    if (c != ' ' && c != '\t') at_start = std::string_view(",|=!<>").find(c) != std::string_view::npos;
  }
  if (quote != 0) usage_fail("where: the quotation mark in '{}' is not closed", trimmed(text));
  return std::string_view::npos;
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() > 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.find(text.front(), 1) == text.size() - 1;
  return quoted ? text.substr(1, text.size() - 2) : text;
}

struct Condition {
  std::size_t factor = 0;
  std::vector<bool> holds;  // for each value of the factor
};

std::string quoted_if_needed(const std::string& label) {
  if (label.find_first_of(",|\"'") == std::string::npos) return label;
  const char mark = label.find('"') == std::string::npos ? '"' : '\'';
  return fmt::format("{}{}{}", mark, label, mark);
}

std::string possible_values(const Factor& factor) {
  if (!factor.labels.empty())
    return fmt::format("{}", fmt::join(factor.labels | std::views::transform(quoted_if_needed), ", "));
  if (factor.size() <= 10) return fmt::format("{:.4g}", fmt::join(factor.values, ", "));
  return fmt::format("{} values from {:.4g} to {:.4g}", factor.size(), factor.values.front(),
                     factor.values.back());
}

// What numbers compare with. Labels that are numbers, such as the classes 1, 2 and 3, are the values of their factor; those
// beside them, as in 1, 2 and cat, have none. Without such labels these are the factor's own.
std::vector<double> numbers(const Factor& factor) {
  std::vector<double> values(factor.values.size(), std::numeric_limits<double>::quiet_NaN());
  bool any = false;
  for (std::size_t i = 0; i < std::min(factor.labels.size(), values.size()); ++i)
    if (const auto value = number(factor.labels[i])) {
      values[i] = *value;
      any = true;
    }
  return any ? values : factor.values;
}

bool are_names(const Factor& factor) {
  return std::ranges::any_of(factor.labels, [](const std::string& label) { return !number(label); });
}

void add_equal(const Factor& factor, std::string_view operand, std::vector<bool>& equal) {
  const bool is_label = std::ranges::find(factor.labels, operand) != factor.labels.end();
  const auto value = number(operand);
  const std::vector<double> values = numbers(factor);
  bool found = false;
  for (std::size_t i = 0; i < equal.size(); ++i) {
    const bool is_equal = is_label ? i < factor.labels.size() && factor.labels[i] == operand
                                   : value && std::abs(values[i] - *value) <= tolerance;
    equal[i] = equal[i] || is_equal;
    found |= is_equal;
  }
  if (!found)
    usage_fail("where: {} is never '{}'{}; it takes {}", factor.name, operand,
               did_you_mean(operand, factor.labels), possible_values(factor));
}

// Values that are one of the operands: "cat|dog". A label may hold a | itself.
std::vector<bool> equal_values(const Factor& factor, std::string_view operands) {
  std::vector<bool> equal(factor.values.size());
  if (std::ranges::find(factor.labels, operands) != factor.labels.end()) {
    add_equal(factor, operands, equal);
    return equal;
  }
  for (;;) {
    const auto bar = find_unquoted(operands, "|");
    const std::string_view operand = trimmed(operands.substr(0, bar));
    if (operand.empty()) usage_fail("where: there is a value of {} missing beside |", factor.name);
    add_equal(factor, unquoted(operand), equal);
    if (bar == std::string_view::npos) return equal;
    operands.remove_prefix(bar + 1);
  }
}

std::vector<bool> compared_values(const Factor& factor, std::string_view comparison,
                                  std::string_view operand) {
  if (are_names(factor))
    usage_fail("where: '{}{}{}': the values of {} are names, which only = and != compare; it takes {}",
               factor.name, comparison, operand, factor.name, possible_values(factor));
  const auto bound = number(operand);
  if (!bound)
    usage_fail("where: '{}{}{}' does not compare with a number; {} takes {}", factor.name, comparison,
               operand, factor.name, possible_values(factor));
  const std::vector<double> values = numbers(factor);
  std::vector<bool> holds(values.size());
  for (std::size_t i = 0; i < holds.size(); ++i) {
    const double value = values[i];
    holds[i] = comparison == "<"    ? value < *bound - tolerance
               : comparison == "<=" ? value <= *bound + tolerance
               : comparison == ">"  ? value > *bound + tolerance
                                    : value >= *bound - tolerance;
  }
  return holds;
}

Condition parse(std::string_view text, const std::vector<Factor>& factors) {
  const auto at = find_unquoted(text, "=!<>");
  const auto after = at == std::string_view::npos ? at : text.find_first_not_of("=!<>", at);
  const std::string_view comparison = at == std::string_view::npos ? "" : text.substr(at, after - at);
  constexpr std::array<std::string_view, 7> comparisons{"=", "==", "!=", "<", "<=", ">", ">="};
  const std::string_view name = unquoted(trimmed(text.substr(0, at)));
  const std::string_view operand = after == std::string_view::npos ? "" : trimmed(text.substr(after));
  if (std::ranges::find(comparisons, comparison) == comparisons.end() || name.empty() || operand.empty())
    usage_fail("where: '{}' is not of the form factor=value; =, !=, <, <=, > and >= compare", trimmed(text));

  const auto found = std::ranges::find(factors, name, &Factor::name);
  if (found == factors.end()) {
    const auto names = factors | std::views::transform(&Factor::name);
    usage_fail("where: there is no factor '{}'{}; there are: {}", name, did_you_mean(name, names),
               factors.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  }
  Condition condition{static_cast<std::size_t>(found - factors.begin()), {}};
  if (comparison == "=" || comparison == "==" || comparison == "!=") {
    condition.holds = equal_values(*found, operand);
    if (comparison == "!=") condition.holds.flip();
  } else {
    condition.holds = compared_values(*found, comparison, unquoted(operand));
  }
  return condition;
}

}  // namespace

std::vector<std::int64_t> select_items(const Dataset& dataset, std::string_view where) {
  std::vector<Condition> conditions;
  for (std::string_view rest = where; !trimmed(rest).empty();) {
    const auto comma = find_unquoted(rest, ",");
    conditions.push_back(parse(rest.substr(0, comma), dataset.factors()));
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }

  std::vector<std::int64_t> selected;
  std::vector<std::int64_t> indices(dataset.factors().size());
  for (std::int64_t item = 0; item < dataset.size(); ++item) {
    dataset.gather_factors({&item, 1}, indices.data());
    if (std::ranges::all_of(conditions, [&](const Condition& c) {
          return c.holds[static_cast<std::size_t>(indices[c.factor])];
        }))
      selected.push_back(item);
  }
  return selected;
}

std::shared_ptr<const Dataset> filter(std::shared_ptr<const Dataset> dataset, std::string_view where) {
  if (trimmed(where).empty()) return dataset;
  auto items = select_items(*dataset, where);
  if (items.empty()) usage_fail("where: no item of {} satisfies '{}'", dataset->name(), where);
  const bool had_test_split = dataset->info().test_size > 0;
  auto subset = std::make_shared<SubsetDataset>(std::move(dataset), std::move(items));
  if (had_test_split && subset->info().test_size == 0)
    subset->add_notes(
        {fmt::format("no image of the data's own test split satisfies '{}': the test images are drawn "
                     "from the training images",
                     trimmed(where))});
  return subset;
}

}  // namespace cuelbo
