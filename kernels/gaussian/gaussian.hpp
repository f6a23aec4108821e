// Diagonal Gaussian log-densities: of pixels (fused with their reduction and gradient) and of latents.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// log_likelihood[b] = Σ_i log N(target[b, i]; mean[b, i], deviation²), in nats.
// dmean, when not null, receives (target − mean) / deviation²: the gradient of log_likelihood[b]. dmean may be mean.
struct GaussianLikelihoodForward {
  std::int64_t rows = 0, pixels = 0;
  float deviation = 1;
  const float* mean = nullptr;      // (rows, pixels)
  const float* target = nullptr;    // (rows, pixels)
  float* log_likelihood = nullptr;  // (rows)
  float* dmean = nullptr;           // (rows, pixels) or null
};

// log_density[b, d] = log N(z[b, d]; mean[b, d], exp(logvar[b, d])); null mean and logvar: the standard normal.
struct GaussianDensityForward {
  std::int64_t count = 0;
  const float* z = nullptr;       // (count)
  const float* mean = nullptr;    // (count) or null
  const float* logvar = nullptr;  // (count) or null
  float* log_density = nullptr;   // (count)
};

struct GaussianDensityBackward {
  std::int64_t count = 0;
  const float* z = nullptr;
  const float* mean = nullptr;          // or null
  const float* logvar = nullptr;        // or null
  const float* dlog_density = nullptr;  // (count)
  float* dz = nullptr;                  // (count) or null
  float* dmean = nullptr;               // (count) or null
  float* dlogvar = nullptr;             // (count) or null
};

inline Cost cost(const GaussianLikelihoodForward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.pixels);
  return {.bytes = 4 * n * (a.dmean != nullptr ? 3 : 2), .flops = 5 * n};
}
inline Cost cost(const GaussianDensityForward& a) {
  const double n = static_cast<double>(a.count);
  const bool standard = a.mean == nullptr;
  return {.bytes = 4 * n * (standard ? 2 : 4), .flops = 6 * n, .special = standard ? 0 : n};
}
inline Cost cost(const GaussianDensityBackward& a) {
  const double n = static_cast<double>(a.count);
  const bool standard = a.mean == nullptr;
  const int outputs = (a.dz != nullptr) + (a.dmean != nullptr) + (a.dlogvar != nullptr);
  return {.bytes = 4 * n * ((standard ? 2 : 4) + outputs), .flops = 6 * n, .special = standard ? 0 : n};
}

}  // namespace cuelbo::kernels
