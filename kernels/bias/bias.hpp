// Gradient of a bias that is added to every row.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// dbias[c] = Σ_rows dy[row, c]: `rows` pixels of NHWC data; for linear layers LinearBackwardWeight has it fused.
struct BiasBackward {
  std::int64_t rows = 0, channels = 0;
  const float* dy = nullptr;  // (rows, channels)
  float* dbias = nullptr;     // (channels)
  void* workspace = nullptr;
};

inline Cost cost(const BiasBackward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.channels);
  return {.bytes = 4 * n, .flops = n};
}

}  // namespace cuelbo::kernels
