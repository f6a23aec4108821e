// "Did you mean …": the candidate nearest to a name that was not found.
#pragma once

#include <algorithm>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace cuelbo {

// Number of one-character insertions, deletions and replacements that turn a into b (Levenshtein).
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, diagonal + 1, replaced});
    }
  }
  return row.back();
}

// How unlike the names are: the edit distance; little if one is the beginning of the other ("softmax" and
// "softmax_forward"); none if they share little: more than two of five characters differ, leading dashes not counted.
inline std::optional<std::size_t> unlikeness(std::string_view name, std::string_view candidate) {
  const auto without_dashes = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('-'), text.size()));
  };
  const std::string_view a = without_dashes(name), b = without_dashes(candidate);
  if (a.size() >= 2 && b.starts_with(a)) return 1;
  const std::size_t distance = edit_distance(a, b);
  const std::size_t length = std::max(a.size(), b.size());
  if (distance == 1 ? length < 2 : 5 * distance > 2 * length) return {};
  return distance;
}

// The candidate most like the name, the first of equals; none if all are unlike it.
template <std::ranges::input_range Candidates>
std::optional<std::string> closest(std::string_view name, const Candidates& candidates) {
  std::optional<std::string> best;
  std::size_t least = 0;
  for (const auto& item : candidates) {
    const std::string_view candidate = item;
    const auto distance = unlikeness(name, candidate);
    if (!distance || (best && *distance >= least)) continue;
    best = candidate;
    least = *distance;
  }
  return best;
}

// " (did you mean 'x'?)", or "" if nothing is near.
template <std::ranges::input_range Candidates>
std::string did_you_mean(std::string_view name, const Candidates& candidates) {
  const auto found = closest(name, candidates);
  return found ? fmt::format(" (did you mean '{}'?)", *found) : std::string();
}

}  // namespace cuelbo
