#include "kernels/adam/adam.hpp"

#include <cmath>

#include "kernels/runtime/elementwise.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

struct AdamAt {
  float beta1, rest1, beta2, rest2;  // rest = 1 − beta
  float epsilon, clip;
  const AdamStep* step;
  const float* gradient_square_sum;
  const float* gradient;
  float* parameter;
  float* first;
  float* second;

  explicit AdamAt(const Adam& a)
      : beta1(static_cast<float>(a.beta1)),
        rest1(static_cast<float>(1 - a.beta1)),
        beta2(static_cast<float>(a.beta2)),
        rest2(static_cast<float>(1 - a.beta2)),
        epsilon(a.epsilon),
        clip(a.clip),
        step(a.step),
        gradient_square_sum(a.gradient_square_sum),
        gradient(a.gradient),
        parameter(a.parameter),
        first(a.first),
        second(a.second) {}

  __device__ float clip_factor() const {
    if (!(clip > 0)) return 1;
    const float factor = clip / (sqrtf(*gradient_square_sum) + 1e-6F);
    return factor > 1 ? 1 : factor;
  }

  template <int width>
  __device__ void at(std::int64_t i) const {
    if (gradient_square_sum != nullptr && !std::isfinite(*gradient_square_sum)) return;
    const float factor = clip_factor(), rate = step->learning_rate * step->first_correction;
    const float correction = step->second_correction;
    const Pack<width> g = load<width>(gradient + i);
    Pack<width> p = load<width>(parameter + i), m = load<width>(first + i), v = load<width>(second + i);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float clipped = g[k] * factor;
      m[k] = beta1 * m[k] + rest1 * clipped;
      v[k] = beta2 * v[k] + rest2 * clipped * clipped;
      p[k] -= rate * m[k] / (sqrtf(v[k] * correction) + epsilon);
    }
    store(parameter + i, p);
    store(first + i, m);
    store(second + i, v);
  }
};

void scalar(const Adam& a, Stream stream) { launch_for_each_element<1>(a.count, AdamAt(a), stream); }
void float4_(const Adam& a, Stream stream) {
  with_width(all_aligned_to_16(a.gradient, a.parameter, a.first, a.second),
             [&](auto width) { launch_for_each_element<width()>(a.count, AdamAt(a), stream); });
}

}  // namespace

Variants<Adam> adam_variants() {
  static constexpr Variant<Adam> variants[] = {
      {"scalar", "one thread per parameter", {scalar}},
      {"float4", "four parameters per thread, 16-byte loads and stores", {float4_}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
