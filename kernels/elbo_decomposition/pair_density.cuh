// Pairs of a row and a column, one at a time: what the variants below `tiled` are made of.
#pragma once

#include "kernels/elbo_decomposition/block_table.cuh"

namespace cuelbo::kernels::cuda {

__device__ inline float log_weight(const ElboDecompositionShape& s, const std::int32_t* own, std::int64_t b,
                                   std::int64_t j) {
  const std::int64_t o = own != nullptr ? own[b] : b;
  const bool there = 0 <= o && o < s.columns;
  return logf(static_cast<float>(there && j == o                     ? s.own_weight
                                 : there && j == (o + 1) % s.columns ? s.next_weight
                                                                     : s.other_weight));
}

// ℓ[b, j, d]
template <class Args>
__device__ float log_density(const Args& a, std::int64_t b, std::int64_t j, std::int64_t d) {
  constexpr float log_2pi = 1.8378770664093453F;
  const float logvar = a.logvar[j * a.shape.dims + d];
  const float t = (a.z[b * a.shape.dims + d] - a.mean[j * a.shape.dims + d]) * expf(-logvar / 2);
  return -(log_2pi + logvar + t * t) / 2;
}

// log(w_bj · exp(Σ_{d∈V} ℓ[b, j, d]))
template <class Args>
__device__ float log_term(const Args& a, const DensityBlock& v, std::int64_t b, std::int64_t j) {
  float sum = 0;
  for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) sum += log_density(a, b, j, d);
  return sum + log_weight(a.shape, a.own, b, j);
}

// log Σ exp, one term at a time. A term of −∞ changes nothing; NaN stays.
struct OnlineLogSumExp {
  float maximum = minus_infinity, sum = 0;
  __device__ void add(float x) {
    if (x == minus_infinity) return;
    if (x <= maximum) {
      sum += expf(x - maximum);
    } else {
      sum = sum * expf(maximum - x) + 1;
      maximum = x;
    }
  }
  // The sum relative to another maximum, which is no smaller.
  __device__ float relative_to(float other) const { return sum * expf(maximum - finite(other)); }
  __device__ float result() const { return finite(maximum) + logf(sum); }
};

// ∂log q̂[b, V] / ∂(Σ_{d∈V} ℓ[b, j, d]): the share of column j in the mixture.
__device__ inline float share(const ElboDecompositionBackward& a, const BlockTable& table, std::int32_t at,
                              std::int64_t b, std::int64_t j) {
  const DensityBlock& v = table.blocks[at];
  const float term = log_term(a, v, b, j);
  if (!discrete(v)) return expf(term - a.log_q[b * a.shape.block_count + table.first + at]);
  const std::int64_t classes = class_columns(a.shape);
  const float* const log_sums = a.log_class_sums + b * table.saved + table.first_saved[at];
  float sum = 0;
  for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
    const float q = class_product(a.shape, v, a.row_probabilities + b * classes, k);
    const float p = class_product(a.shape, v, a.probabilities + j * classes, k);
    if (q != 0 && p != 0) sum += q * p * expf(term - log_sums[k]);
  }
  return sum;
}

// The gradient of the loss with respect to Σ_{d∈V} ℓ[b, j, d], as far as it comes from block V.
__device__ inline float pair_gradient(const ElboDecompositionBackward& a, const BlockTable& table,
                                      std::int32_t at, std::int64_t b, std::int64_t j) {
  return a.dlog_q[b * a.shape.block_count + table.first + at] * share(a, table, at, b, j);
}

// The gradient of the loss with respect to log(w_bj · exp(…) · Q_jk) of class k, over Q_jk.
__device__ inline float class_gradient(const ElboDecompositionBackward& a, const BlockTable& table,
                                       std::int32_t at, std::int64_t b, std::int32_t k, float term) {
  const float q =
      class_product(a.shape, table.blocks[at], a.row_probabilities + b * class_columns(a.shape), k);
  if (q == 0) return 0;
  const float log_sum = a.log_class_sums[b * table.saved + table.first_saved[at] + k];
  return a.dlog_q[b * a.shape.block_count + table.first + at] * q * expf(term - log_sum);
}

// ∂ℓ/∂mean = −∂ℓ/∂z and ∂ℓ/∂logvar
struct DensitySlopes {
  float mean, logvar;
};
template <class Args>
__device__ DensitySlopes density_slopes(const Args& a, std::int64_t b, std::int64_t j, std::int64_t d) {
  const std::int64_t dims = a.shape.dims;
  const float difference = a.z[b * dims + d] - a.mean[j * dims + d];
  const float precise = difference * expf(-a.logvar[j * dims + d]);
  return {precise, (difference * precise - 1) / 2};
}

}  // namespace cuelbo::kernels::cuda
