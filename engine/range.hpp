// The range of numbers that a configuration key or a command option accepts.
#pragma once

#include <limits>
#include <string>

#include <fmt/format.h>

namespace cuelbo {

struct Range {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool least_excluded = false, most_excluded = false;

  constexpr bool contains(double x) const {
    return (least_excluded ? x > least : x >= least) && (most_excluded ? x < most : x <= most) &&
           x * 0 == 0;  // neither NaN nor Inf
  }
};

constexpr Range at_least(double least, double most = std::numeric_limits<double>::infinity()) {
  return {least, most};
}
constexpr Range above(double least) { return {.least = least, .least_excluded = true}; }
constexpr Range from_below(double least, double most) {
  return {.least = least, .most = most, .most_excluded = true};
}

// "at least 1", "at least 0 and below 1", or "finite"
inline std::string to_string(const Range& range) {
  const bool has_least = range.least > -std::numeric_limits<double>::infinity();
  const bool has_most = range.most < std::numeric_limits<double>::infinity();
  std::string text;
  if (has_least) text = fmt::format("{} {}", range.least_excluded ? "above" : "at least", range.least);
  if (has_least && has_most) text += " and ";
  if (has_most) text += fmt::format("{} {}", range.most_excluded ? "below" : "at most", range.most);
  return text.empty() ? "finite" : text;
}

}  // namespace cuelbo
