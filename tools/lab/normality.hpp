// Whether numbers are standard normals, by the distance of Kolmogorov and Smirnov.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace cuelbo::lab {

// √n · sup |empirical − normal distribution function|; NaN if one of them is.
inline double normal_distance(std::vector<double> x) {
  if (std::ranges::any_of(x, [](double v) { return std::isnan(v); })) return std::nan("");
  std::ranges::sort(x);
  const double n = static_cast<double>(x.size());
  double distance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double probability = std::erfc(-x[i] / std::sqrt(2.0)) / 2, rank = static_cast<double>(i);
    distance = std::max({distance, probability - rank / n, (rank + 1) / n - probability});
  }
  return std::sqrt(n) * distance;
}

// Right noise exceeds it once in a million times, whatever its amount (Massart 1990: P(distance > d) ≤ 2 exp(−2d²)).
inline constexpr double normal_distance_bound = 2.7;

}  // namespace cuelbo::lab
