// z = mean + exp(logvar / 2) · ε with ε made inside the kernel (Kingma & Welling 2014, arXiv 1312.6114).
//
// Noise: element i = b · dims + d takes word i mod 4 of Philox4x32-10 with
//   counter = {uint32(i / 4), uint32(step), uint32(step >> 32), operation},  key = {uint32(seed), uint32(seed >> 32)}.
// u = ((word >> 9) + ½) · 2^-23 is in (0, 1) and exactly representable. Words (0, 1) and (2, 3) give two standard normals
// each by Box–Muller: √(−2 log u_0) · (cos 2πu_1, sin 2πu_1). |ε| < 5.8; elements beyond 2^34 would repeat the noise.
// Backward makes the same noise again.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

// mean and logvar are columns of wider rows: element (b, d) is at [b · stride + d], so the encoder's output is not
// split.
struct ReparameterizeForward {
  std::int64_t rows = 0, dims = 0, stride = 0;
  const float* mean = nullptr;           // (rows, dims) of (rows, stride)
  const float* logvar = nullptr;         // (rows, dims) of (rows, stride)
  const StepCounter* counter = nullptr;  // device memory
  std::uint32_t operation = 0;
  float* z = nullptr;  // (rows, dims)
  void* workspace = nullptr;
};

// dmean = dz, dlogvar = dz · ½ · exp(logvar / 2) · ε, written with `stride` as above.
struct ReparameterizeBackward {
  std::int64_t rows = 0, dims = 0, stride = 0;
  const float* logvar = nullptr;
  const StepCounter* counter = nullptr;
  std::uint32_t operation = 0;
  const float* dz = nullptr;  // (rows, dims)
  float* dmean = nullptr;     // (rows, dims) of (rows, stride)
  float* dlogvar = nullptr;   // (rows, dims) of (rows, stride)
};

// A standard deviation each, and for two elements a logarithm, a root, a sine and a cosine; the rest is mostly Philox.
inline Cost cost(const ReparameterizeForward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.dims);
  return {.bytes = 12 * n, .flops = 36 * n, .special = 3 * n};
}
inline Cost cost(const ReparameterizeBackward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.dims);
  return {.bytes = 16 * n, .flops = 36 * n, .special = 3 * n};
}

}  // namespace cuelbo::kernels
