// Sample of a Concrete (Gumbel-softmax) variable (Maddison et al. 2017, arXiv 1611.00712; Jang et al. 2017,
// arXiv 1611.01144): y = softmax((logits + gumbel) / temperature), gumbel = −log(−log u).
//
// Noise: element i = row · classes + class takes word i mod 4 of Philox4x32-10 with the counter, key and u of
// reparameterize.hpp. −2.9 < gumbel < 16.7.
#pragma once

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

struct ConcreteForward {
  std::int64_t rows = 0, classes = 0;
  float temperature = 1;
  const float* logits = nullptr;         // (rows, classes)
  const StepCounter* counter = nullptr;  // device memory
  std::uint32_t operation = 0;
  float* y = nullptr;  // (rows, classes)
};

// dlogits = y ⊙ (dy − Σ y·dy) / temperature; no noise is needed. dlogits may be dy.
struct ConcreteBackward {
  std::int64_t rows = 0, classes = 0;
  float temperature = 1;
  const float* y = nullptr;   // (rows, classes)
  const float* dy = nullptr;  // (rows, classes)
  float* dlogits = nullptr;   // (rows, classes)
};

inline Cost cost(const ConcreteForward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.classes);
  // Two logarithms for a Gumbel variable and one exponential; the rest is mostly Philox.
  return {.bytes = 8 * n, .flops = 36 * n, .special = 3 * n};
}
inline Cost cost(const ConcreteBackward& a) {
  const double n = static_cast<double>(a.rows) * static_cast<double>(a.classes);
  return {.bytes = 12 * n, .flops = 5 * n};
}

}  // namespace cuelbo::kernels
