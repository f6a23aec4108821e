#include "models/prior.hpp"

#include <cmath>

#include "engine/error.hpp"

namespace cuelbo {

GaussianPrior::GaussianPrior(std::int64_t dims, std::vector<double> covariance)
    : dims_(dims), covariance_(std::move(covariance)) {
  if (std::ssize(covariance_) != dims * dims)
    usage_fail("prior: the covariance has {} values, {} dimensions need {}", covariance_.size(), dims,
               dims * dims);
  for (std::int64_t i = 0; i < dims; ++i)
    for (std::int64_t j = 0; j < i; ++j)
      if (covariance_[static_cast<std::size_t>(i * dims + j)] !=
          covariance_[static_cast<std::size_t>(j * dims + i)])
        usage_fail("prior: the covariance is not symmetric at ({}, {})", i, j);
  whitening(0, dims);
}

GaussianPrior::Whitening GaussianPrior::whitening(std::int64_t begin, std::int64_t end) const {
  const auto n = static_cast<std::size_t>(end - begin);
  // Cholesky: covariance = L · Lᵀ.
  std::vector<double> lower(n * n, 0.0);
  Whitening result{.matrix = std::vector<double>(n * n, 0.0)};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = correlated() ? covariance_[static_cast<std::size_t>(begin + static_cast<std::int64_t>(i)) *
                                                  static_cast<std::size_t>(dims_) +
                                              static_cast<std::size_t>(begin + static_cast<std::int64_t>(j))]
                                : static_cast<double>(i == j);
      for (std::size_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
      if (i != j) {
        lower[i * n + j] = sum / lower[j * n + j];
        continue;
      }
      if (!(sum > 0))
        usage_fail("prior: the covariance is not positive definite (dimension {})",
                   begin + static_cast<std::int64_t>(i));
      lower[i * n + i] = std::sqrt(sum);
      result.log_determinant -= std::log(lower[i * n + i]);
    }
  // Forward substitution for each unit vector.
  for (std::size_t column = 0; column < n; ++column)
    for (std::size_t i = column; i < n; ++i) {
      double sum = static_cast<double>(i == column);
      for (std::size_t k = column; k < i; ++k) sum -= lower[i * n + k] * result.matrix[k * n + column];
      result.matrix[i * n + column] = sum / lower[i * n + i];
    }
  return result;
}

double GaussianPrior::log_density(const float* z, std::int64_t begin, std::int64_t end,
                                  const Whitening& whitening) const {
  constexpr double log_2pi = 1.8378770664093453;
  const auto n = static_cast<std::size_t>(end - begin);
  double result = whitening.log_determinant;
  for (std::size_t i = 0; i < n; ++i) {
    double w = 0;
    for (std::size_t k = 0; k <= i; ++k)
      w += whitening.matrix[i * n + k] * z[begin + static_cast<std::int64_t>(k)];
    result -= 0.5 * (log_2pi + w * w);
  }
  return result;
}

}  // namespace cuelbo
