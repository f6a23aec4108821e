// The prior of the Gaussian latent dimensions: standard normal, or normal with a correlation between dimensions.
#pragma once

#include <cstdint>
#include <vector>

namespace cuelbo {

class GaussianPrior {
 public:
  GaussianPrior() = default;  // standard normal
  // Zero mean; covariance (dims, dims) in tree order. UsageError: not square, not symmetric, not positive definite.
  GaussianPrior(std::int64_t dims, std::vector<double> covariance);

  bool correlated() const { return !covariance_.empty(); }

  // A whitening of dimensions [begin, end): w = matrix · z is standard normal under the prior's marginal, and
  // log p(z) = log N(w; 0, I) + log_determinant.
  struct Whitening {
    std::vector<double> matrix;  // (n, n), lower triangular: the inverse of the covariance's Cholesky factor
    double log_determinant = 0;
  };
  Whitening whitening(std::int64_t begin, std::int64_t end) const;

  double log_density(const float* z, std::int64_t begin, std::int64_t end, const Whitening& whitening) const;

 private:
  std::int64_t dims_ = 0;
  std::vector<double> covariance_;  // empty: identity
};

}  // namespace cuelbo
