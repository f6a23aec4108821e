#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

#include "kernels/elbo_decomposition/block_table.cuh"
#include "kernels/elbo_decomposition/elbo_decomposition_tiled.hpp"
#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// Variant 0: one thread for each number of the result, which goes through all columns (or rows) by itself. Pairs of rows
// and columns are computed again and again, and nothing is kept between threads.

constexpr unsigned block = 128;

__device__ std::int64_t global_thread() { return std::int64_t{blockIdx.x} * block + threadIdx.x; }

__device__ float weight(const ElboDecompositionShape& s, const std::int32_t* own, std::int64_t b,
                        std::int64_t j) {
  const std::int64_t o = own != nullptr ? own[b] : b;
  if (o < 0 || o >= s.columns) return static_cast<float>(s.other_weight);
  return static_cast<float>(j == o                     ? s.own_weight
                            : j == (o + 1) % s.columns ? s.next_weight
                                                       : s.other_weight);
}

// Σ_{d∈V} ℓ[b, j, d]
template <class Args>
__device__ float log_density(const Args& a, const DensityBlock& v, std::int64_t b, std::int64_t j) {
  constexpr float log_2pi = 1.8378770664093453F;
  float sum = 0;
  for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
    const float logvar = a.logvar[j * a.shape.dims + d];
    const float t = (a.z[b * a.shape.dims + d] - a.mean[j * a.shape.dims + d]) * expf(-logvar / 2);
    sum += log_2pi + logvar + t * t;
  }
  return -sum / 2;
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
  __device__ float result() const { return maximum + logf(sum); }
};

// Thread: a row and a block of the table.
__global__ void forward_each(ElboDecompositionForward a, BlockTable table) {
  const std::int64_t i = global_thread();
  if (i >= a.shape.rows * table.count) return;
  const std::int64_t b = i / table.count, classes = class_columns(a.shape);
  const auto at = static_cast<std::int32_t>(i % table.count);
  const DensityBlock v = table.blocks[at];
  float result = 0;
  for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
    OnlineLogSumExp mixture;
    float largest = minus_infinity;  // of the pairs, whatever their class
    for (std::int64_t j = 0; j < a.shape.columns; ++j) {
      const float q = discrete(v) ? class_product(a.shape, v, a.probabilities + j * classes, k) : 1.0F;
      const float pair = log_density(a, v, b, j) + logf(weight(a.shape, a.own, b, j));
      largest = fmaxf(largest, pair);
      mixture.add(pair + logf(q));
    }
    float log_sum = mixture.result();
    if (!discrete(v)) {
      result = log_sum;
      break;
    }
    // A class that no column has: what fp32 can hold beside the largest pair.
    constexpr float least = -126 * 0.69314718F;
    if (log_sum < largest + least) log_sum = largest + least;
    if (a.log_class_sums != nullptr) a.log_class_sums[b * table.saved + table.first_saved[at] + k] = log_sum;
    const float q = class_product(a.shape, v, a.row_probabilities + b * classes, k);
    if (q != 0) result += q * log_sum;
  }
  a.log_q[b * a.shape.block_count + table.first + at] = result;
}

// ∂log q̂[b, V] / ∂(Σ_{d∈V} ℓ[b, j, d]): the share of column j in the mixture.
__device__ float share(const ElboDecompositionBackward& a, const BlockTable& table, std::int32_t at,
                       std::int64_t b, std::int64_t j) {
  const DensityBlock& v = table.blocks[at];
  const float term = log_density(a, v, b, j) + logf(weight(a.shape, a.own, b, j));
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

__device__ bool has_dim(const DensityBlock& v, std::int64_t d) { return v.dim_begin <= d && d < v.dim_end; }

// Thread: a row and a dimension.
__global__ void backward_z(ElboDecompositionBackward a, BlockTable table) {
  const std::int64_t i = global_thread(), dims = a.shape.dims;
  if (i >= a.shape.rows * dims) return;
  const std::int64_t b = i / dims, d = i % dims;
  float dz = table.first == 0 ? 0.0F : a.dz[i];
  for (std::int32_t at = 0; at < table.count; ++at) {
    if (!has_dim(table.blocks[at], d)) continue;
    float sum = 0;
    for (std::int64_t j = 0; j < a.shape.columns; ++j)
      sum += share(a, table, at, b, j) * (a.z[i] - a.mean[j * dims + d]) * expf(-a.logvar[j * dims + d]);
    dz -= a.dlog_q[b * a.shape.block_count + table.first + at] * sum;
  }
  a.dz[i] = dz;
}

// Thread: a column and a dimension.
__global__ void backward_parameters(ElboDecompositionBackward a, BlockTable table) {
  const std::int64_t i = global_thread(), dims = a.shape.dims;
  if (i >= a.shape.columns * dims) return;
  const std::int64_t j = i / dims, d = i % dims;
  float dmean = table.first == 0 ? 0.0F : a.dmean[i], dlogvar = table.first == 0 ? 0.0F : a.dlogvar[i];
  const float inverse_variance = expf(-a.logvar[i]);
  for (std::int32_t at = 0; at < table.count; ++at) {
    if (!has_dim(table.blocks[at], d)) continue;
    for (std::int64_t b = 0; b < a.shape.rows; ++b) {
      const float g = a.dlog_q[b * a.shape.block_count + table.first + at] * share(a, table, at, b, j);
      const float difference = a.z[b * dims + d] - a.mean[i];
      dmean += g * difference * inverse_variance;
      dlogvar += g * (difference * difference * inverse_variance - 1) / 2;
    }
  }
  a.dmean[i] = dmean;
  a.dlogvar[i] = dlogvar;
}

__device__ bool has_class_column(const ElboDecompositionShape& s, const DensityBlock& v,
                                 std::int32_t column) {
  std::int64_t begin = 0;
  for (std::int32_t c = 0; c < v.group_begin; ++c) begin += s.classes[c];
  std::int64_t end = begin;
  for (std::int32_t c = v.group_begin; c < v.group_end; ++c) end += s.classes[c];
  return begin <= column && column < end;
}

// Whether class k of the block's groups has the class that a column of the probability tables stands for.
__device__ bool is_of_class(const ElboDecompositionShape& s, const DensityBlock& v, std::int32_t k,
                            std::int32_t column) {
  std::int64_t first = 0;
  for (std::int32_t c = 0; c < v.group_end; ++c) first += s.classes[c];
  for (std::int32_t c = v.group_end - 1; c >= v.group_begin; --c) {
    first -= s.classes[c];
    if (column >= first && column < first + s.classes[c]) return column == first + k % s.classes[c];
    k /= s.classes[c];
  }
  return false;
}

// Thread: a row and a column of the probability tables.
__global__ void backward_row_probabilities(ElboDecompositionBackward a, BlockTable table) {
  const std::int64_t i = global_thread(), classes = class_columns(a.shape);
  if (i >= a.shape.rows * classes) return;
  const std::int64_t b = i / classes;
  const auto c = static_cast<std::int32_t>(i % classes);
  float sum = table.first == 0 ? 0.0F : a.drow_probabilities[i];
  for (std::int32_t at = 0; at < table.count; ++at) {
    const DensityBlock& v = table.blocks[at];
    if (!has_class_column(a.shape, v, c)) continue;
    const float g = a.dlog_q[b * a.shape.block_count + table.first + at];
    const float* const log_sums = a.log_class_sums + b * table.saved + table.first_saved[at];
    for (std::int32_t k = 0; k < class_count(a.shape, v); ++k)
      if (is_of_class(a.shape, v, k, c))
        sum += g * log_sums[k] * class_product(a.shape, v, a.row_probabilities + b * classes, k, c);
  }
  a.drow_probabilities[i] = sum;
}

// Thread: a mixture column and a column of the probability tables.
__global__ void backward_probabilities(ElboDecompositionBackward a, BlockTable table) {
  const std::int64_t i = global_thread(), classes = class_columns(a.shape);
  if (i >= a.shape.columns * classes) return;
  const std::int64_t j = i / classes;
  const auto c = static_cast<std::int32_t>(i % classes);
  float sum = table.first == 0 ? 0.0F : a.dprobabilities[i];
  for (std::int32_t at = 0; at < table.count; ++at) {
    const DensityBlock& v = table.blocks[at];
    if (!has_class_column(a.shape, v, c)) continue;
    for (std::int64_t b = 0; b < a.shape.rows; ++b) {
      const float g = a.dlog_q[b * a.shape.block_count + table.first + at];
      const float term = log_density(a, v, b, j) + logf(weight(a.shape, a.own, b, j));
      const float* const log_sums = a.log_class_sums + b * table.saved + table.first_saved[at];
      for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
        if (!is_of_class(a.shape, v, k, c)) continue;
        const float q = class_product(a.shape, v, a.row_probabilities + b * classes, k);
        if (q != 0)
          sum += g * q * expf(term - log_sums[k]) *
                 class_product(a.shape, v, a.probabilities + j * classes, k, c);
      }
    }
  }
  a.dprobabilities[i] = sum;
}

unsigned blocks(std::int64_t threads) {
  return static_cast<unsigned>(divide_up<std::int64_t>(threads, block));
}

}  // namespace

void elbo_forward_thread(const ElboDecompositionForward& a, Stream stream) {
  if (a.shape.rows == 0) return;
  for_each_part(a.shape, [&](const BlockTable& table) {
    launch(forward_each, blocks(a.shape.rows * table.count), block, 0, stream, a, table);
  });
}

void elbo_row_probabilities(const ElboDecompositionBackward& a, const BlockTable& table, Stream stream) {
  const std::int64_t count = a.shape.rows * class_column_count(a.shape);
  if (count > 0) launch(backward_row_probabilities, blocks(count), block, 0, stream, a, table);
}

void elbo_backward_thread(const ElboDecompositionBackward& a, Stream stream) {
  if (a.shape.rows == 0) return;
  const ElboDecompositionShape& s = a.shape;
  const std::int64_t classes = class_column_count(s);
  for_each_part(s, [&](const BlockTable& table) {
    if (s.dims > 0) {
      launch(backward_z, blocks(s.rows * s.dims), block, 0, stream, a, table);
      launch(backward_parameters, blocks(s.columns * s.dims), block, 0, stream, a, table);
    }
    elbo_row_probabilities(a, table, stream);
    if (classes > 0) launch(backward_probabilities, blocks(s.columns * classes), block, 0, stream, a, table);
  });
}

Variants<ElboDecompositionForward> elbo_decomposition_forward_variants() {
  static constexpr Variant<ElboDecompositionForward> variants[] = {
      {"thread", "one thread a row and block, online log-sum-exp over the columns", {elbo_forward_thread}},
      {"tiled",
       "columns through shared memory in tiles, slices of them combined in order",
       {elbo_forward_tiled, elbo_forward_tiled_workspace}}};
  return variants;
}

Variants<ElboDecompositionBackward> elbo_decomposition_backward_variants() {
  static constexpr Variant<ElboDecompositionBackward> variants[] = {
      {"thread", "one thread a gradient, pairs recomputed from the saved sums", {elbo_backward_thread}},
      {"tiled",
       "a pass of rows and one of columns, the other side in tiles; partial sums added in order",
       {elbo_backward_tiled, elbo_backward_tiled_workspace}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
