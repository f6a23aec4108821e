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

// The candidate with the smallest edit distance, the first of equals; none if even that one shares little
// with the name.
template <std::ranges::input_range Candidates>
std::optional<std::string> closest(std::string_view name, const Candidates& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const auto& item : candidates) {
    const std::string_view candidate = item;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance > std::max(name.size(), candidate.size()) / 2) continue;
    if (!best || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
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
