#include "kernels/softmax/softmax.hpp"

#include <limits>

#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

struct ForwardAlone {
  SoftmaxForward a;
  __device__ void operator()(std::int64_t row) const {
    const std::int64_t begin = row * a.classes, end = begin + a.classes;
    float maximum = minus_infinity;
    for (std::int64_t i = begin; i < end; ++i) maximum = fmaxf(maximum, a.logits[i]);
    double total = 0;  // meets the NaN that the maximum may have lost
    for (std::int64_t i = begin; i < end; ++i) total += static_cast<double>(expf(a.logits[i] - maximum));
    const float sum = static_cast<float>(total), log_sum = logf(sum);
    for (std::int64_t i = begin; i < end; ++i) {
      const float x = a.logits[i] - maximum;
      if (a.probabilities != nullptr) a.probabilities[i] = expf(x) / sum;
      if (a.log_probabilities != nullptr) a.log_probabilities[i] = x - log_sum;
    }
  }
};

// The row is read three times; after the first it is in the L1 cache.
struct ForwardByTeam {
  SoftmaxForward a;
  template <class Team, class Access>
  __device__ void row(std::int64_t r) const {
    constexpr int width = Access::width;
    const std::int64_t begin = r * a.classes + Team::rank() * width, end = (r + 1) * a.classes;
    constexpr int step = Team::size * width;
    float maximum = minus_infinity;
    for (std::int64_t i = begin; i < end; i += step) {
      const Pack<width> x = Access::load(a.logits + i);
#pragma unroll
      for (int k = 0; k < width; ++k) maximum = fmaxf(maximum, x[k]);
    }
    maximum = Team::reduce(maximum, Maximum{});
    float sum = 0;
    for (std::int64_t i = begin; i < end; i += step) {
      Pack<width> x = Access::load(a.logits + i);
#pragma unroll
      for (int k = 0; k < width; ++k) x[k] = expf(x[k] - maximum);
      sum += sum_of(x);
    }
    sum = Team::sum(sum);
    const float log_sum = logf(sum);
    for (std::int64_t i = begin; i < end; i += step) {
      const Pack<width> x = Access::load(a.logits + i);
      Pack<width> p, log_p;
#pragma unroll
      for (int k = 0; k < width; ++k) {
        p[k] = expf(x[k] - maximum) / sum;
        log_p[k] = (x[k] - maximum) - log_sum;
      }
      if (a.probabilities != nullptr) Access::store(a.probabilities + i, p);
      if (a.log_probabilities != nullptr) Access::store(a.log_probabilities + i, log_p);
    }
  }
};

template <class Access>
__device__ Pack<Access::width> load_or_zero(const float* p, std::int64_t i) {
  return p != nullptr ? Access::load(p + i) : Pack<Access::width>{};
}

struct BackwardAlone {
  SoftmaxBackward a;
  __device__ void operator()(std::int64_t row) const {
    const std::int64_t begin = row * a.classes, end = begin + a.classes;
    const auto at = [](const float* p, std::int64_t i) { return p != nullptr ? p[i] : 0.0F; };
    double inner = 0;  // Σ p·dp + Σ dlogp
    for (std::int64_t i = begin; i < end; ++i)
      inner +=
          static_cast<double>(a.probabilities[i] * at(a.dprobabilities, i) + at(a.dlog_probabilities, i));
    for (std::int64_t i = begin; i < end; ++i) {
      const float centred = at(a.dprobabilities, i) - static_cast<float>(inner);
      a.dlogits[i] = a.probabilities[i] * centred + at(a.dlog_probabilities, i);
    }
  }
};

struct BackwardByTeam {
  SoftmaxBackward a;
  template <class Team, class Access>
  __device__ void row(std::int64_t r) const {
    constexpr int width = Access::width;
    const std::int64_t begin = r * a.classes + Team::rank() * width, end = (r + 1) * a.classes;
    constexpr int step = Team::size * width;
    float inner = 0;  // Σ p·dp + Σ dlogp
    for (std::int64_t i = begin; i < end; i += step) {
      const Pack<width> p = Access::load(a.probabilities + i), dp = load_or_zero<Access>(a.dprobabilities, i);
      Pack<width> term = load_or_zero<Access>(a.dlog_probabilities, i);
#pragma unroll
      for (int k = 0; k < width; ++k) term[k] += p[k] * dp[k];
      inner += sum_of(term);
    }
    inner = Team::sum(inner);
    for (std::int64_t i = begin; i < end; i += step) {
      const Pack<width> p = Access::load(a.probabilities + i), dp = load_or_zero<Access>(a.dprobabilities, i);
      Pack<width> dlogit = load_or_zero<Access>(a.dlog_probabilities, i);
#pragma unroll
      for (int k = 0; k < width; ++k) dlogit[k] += p[k] * (dp[k] - inner);
      Access::store(a.dlogits + i, dlogit);
    }
  }
};

void forward_naive(const SoftmaxForward& a, Stream stream) {
  launch_rows_alone(a.rows, ForwardAlone{a}, stream);
}
void forward_shuffle(const SoftmaxForward& a, Stream stream) {
  const bool aligned = all_aligned_to_16(a.logits, a.probabilities, a.log_probabilities);
  launch_row_teams(a.rows, a.classes, aligned, ForwardByTeam{a}, stream);
}
void backward_naive(const SoftmaxBackward& a, Stream stream) {
  launch_rows_alone(a.rows, BackwardAlone{a}, stream);
}
void backward_shuffle(const SoftmaxBackward& a, Stream stream) {
  const bool aligned = all_aligned_to_16(a.probabilities, a.dprobabilities, a.dlog_probabilities, a.dlogits);
  launch_row_teams(a.rows, a.classes, aligned, BackwardByTeam{a}, stream);
}

}  // namespace

Variants<SoftmaxForward> softmax_forward_variants() {
  static constexpr Variant<SoftmaxForward> variants[] = {
      {"naive", "one thread per row", {forward_naive}},
      {"shuffle", "one warp per row, one block when rows are long", {forward_shuffle}}};
  return variants;
}

Variants<SoftmaxBackward> softmax_backward_variants() {
  static constexpr Variant<SoftmaxBackward> variants[] = {
      {"naive", "one thread per row", {backward_naive}},
      {"shuffle", "one warp per row, one block when rows are long", {backward_shuffle}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
