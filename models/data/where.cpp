#include "models/data/where.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <ranges>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {
namespace {

constexpr double equality_tolerance = 0.5e-3 + 1e-9;  // a value written with three decimals

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

struct Condition {
  std::size_t factor = 0;
  std::vector<bool> holds;  // for each value of the factor
};

std::string possible_values(const Factor& factor) {
  if (!factor.labels.empty()) return fmt::format("{}", fmt::join(factor.labels, ", "));
  if (factor.size() <= 10) return fmt::format("{:.4g}", fmt::join(factor.values, ", "));
  return fmt::format("{} values from {:.4g} to {:.4g}", factor.size(), factor.values.front(),
                     factor.values.back());
}

// A label decides, for it may be a number itself: classes may be called 1, 2 and 3. Else the value is compared.
std::vector<bool> equal_values(const Factor& factor, std::string_view operand) {
  std::vector<bool> equal(factor.values.size());
  const bool is_label = std::ranges::find(factor.labels, operand) != factor.labels.end();
  const auto value = number(operand);
  for (std::size_t i = 0; i < equal.size(); ++i)
    equal[i] = is_label ? i < factor.labels.size() && factor.labels[i] == operand
                        : value && std::abs(factor.values[i] - *value) <= equality_tolerance;
  if (std::ranges::find(equal, true) == equal.end())
    usage_fail("where: {} is never '{}'{}; it takes {}", factor.name, operand,
               did_you_mean(operand, factor.labels), possible_values(factor));
  return equal;
}

std::vector<bool> compared_values(const Factor& factor, std::string_view comparison,
                                  std::string_view operand) {
  const auto bound = number(operand);
  if (!bound || !factor.labels.empty())
    usage_fail("where: '{}{}{}' does not compare numbers; {} takes {}", factor.name, comparison, operand,
               factor.name, possible_values(factor));
  std::vector<bool> holds(factor.values.size());
  for (std::size_t i = 0; i < holds.size(); ++i) {
    const double value = factor.values[i];
    holds[i] = comparison == "<"    ? value < *bound
               : comparison == "<=" ? value <= *bound
               : comparison == ">"  ? value > *bound
                                    : value >= *bound;
  }
  return holds;
}

Condition parse(std::string_view text, const std::vector<Factor>& factors) {
  const auto at = text.find_first_of("=!<>");
  const auto after = at == std::string_view::npos ? at : text.find_first_not_of("=!<>", at);
  const std::string_view comparison = at == std::string_view::npos ? "" : text.substr(at, after - at);
  constexpr std::array<std::string_view, 7> comparisons{"=", "==", "!=", "<", "<=", ">", ">="};
  const std::string_view name = trimmed(text.substr(0, at));
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
    condition.holds = compared_values(*found, comparison, operand);
  }
  return condition;
}

}  // namespace

std::vector<std::int64_t> select_items(const Dataset& dataset, std::string_view where) {
  std::vector<Condition> conditions;
  for (std::string_view rest = where; !trimmed(rest).empty();) {
    const auto comma = rest.find(',');
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
