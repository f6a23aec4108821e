#include "kernels/bernoulli/bernoulli.hpp"

#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

struct Pixel {
  float log_likelihood, gradient;
};

// With e = exp(−|l|) and t = x − [l > 0]:
//   x·l − softplus(l) = t·l − log1p(e),   x − sigmoid(l) = t ± e / (1 + e)  (+ where l > 0).
// Nothing cancels for x ∈ {0, 1}, so both keep their relative accuracy however certain the model is.
__device__ Pixel evaluate(float logit, float target) {
  const float e = expf(-fabsf(logit));
  const float t = logit > 0 ? target - 1 : target;
  const float probability = e / (1 + e);
  return {t * logit - log1pf(e), logit > 0 ? t + probability : t - probability};
}

struct Alone {
  BernoulliForward a;
  __device__ void operator()(std::int64_t row) const {
    double sum = 0;
    for (std::int64_t i = row * a.pixels; i < (row + 1) * a.pixels; ++i) {
      const Pixel pixel = evaluate(a.logits[i], a.target[i]);
      sum += static_cast<double>(pixel.log_likelihood);
      if (a.dlogits != nullptr) a.dlogits[i] = pixel.gradient;
    }
    a.log_likelihood[row] = static_cast<float>(sum);
  }
};

struct ByTeam {
  BernoulliForward a;
  template <class Team, class Access>
  __device__ void row(std::int64_t r) const {
    constexpr int width = Access::width;
    float sum = 0;
    for (std::int64_t i = r * a.pixels + Team::rank() * width; i < (r + 1) * a.pixels;
         i += Team::size * width) {
      const Pack<width> logit = Access::load(a.logits + i), target = Access::load(a.target + i);
      Pack<width> value, gradient;
#pragma unroll
      for (int k = 0; k < width; ++k) {
        const Pixel pixel = evaluate(logit[k], target[k]);
        value[k] = pixel.log_likelihood;
        gradient[k] = pixel.gradient;
      }
      sum += sum_of(value);
      if (a.dlogits != nullptr) Access::store(a.dlogits + i, gradient);
    }
    sum = Team::sum(sum);
    if (Team::rank() == 0) a.log_likelihood[r] = sum;
  }
};

void naive(const BernoulliForward& a, Stream stream) { launch_rows_alone(a.rows, Alone{a}, stream); }
void shuffle(const BernoulliForward& a, Stream stream) {
  launch_row_teams(a.rows, a.pixels, all_aligned_to_16(a.logits, a.target, a.dlogits), ByTeam{a}, stream);
}

}  // namespace

Variants<BernoulliForward> bernoulli_forward_variants() {
  static constexpr Variant<BernoulliForward> variants[] = {
      {"naive", "one thread per row", {naive}},
      {"shuffle", "one warp per row, one block when rows are long; 16-byte loads and stores", {shuffle}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
