// The way of frameworks: stores all rows × columns × dims log-densities, then reduces them; the backward pass does the
// same with their gradients. One thread per number.
#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"
#include "kernels/elbo_decomposition/pair_bytes.hpp"
#include "kernels/elbo_decomposition/pair_density.cuh"

namespace cuelbo::kernels::cuda {

namespace {

constexpr unsigned block = 256;

// (rows, columns, dims)
std::int64_t pair_count(const ElboDecompositionShape& s) { return s.rows * s.columns * s.dims; }

__device__ std::int64_t global_thread() { return std::int64_t{blockIdx.x} * block + threadIdx.x; }

// Thread: one ℓ[b, j, d].
__global__ void store_densities(ElboDecompositionForward a, float* densities) {
  const std::int64_t i = global_thread(), pair = i / a.shape.dims;
  if (pair >= a.shape.rows * a.shape.columns) return;
  densities[i] = log_density(a, pair / a.shape.columns, pair % a.shape.columns, i % a.shape.dims);
}

// Thread: a row and a block of the table; log-sum-exp in two passes, the largest term and then the sum.
__global__ void reduce_densities(ElboDecompositionForward a, BlockTable table, const float* densities) {
  const std::int64_t i = global_thread();
  if (i >= a.shape.rows * table.count) return;
  const std::int64_t b = i / table.count, classes = class_columns(a.shape);
  const auto at = static_cast<std::int32_t>(i % table.count);
  const DensityBlock v = table.blocks[at];
  const auto term = [&](std::int64_t j) {
    const float* const pair = densities + (b * a.shape.columns + j) * a.shape.dims;
    float sum = log_weight(a.shape, a.own, b, j);
    for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) sum += pair[d];
    return sum;
  };
  float largest = minus_infinity;
  for (std::int64_t j = 0; j < a.shape.columns; ++j) largest = fmaxf(largest, term(j));
  float result = 0;
  for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
    float sum = 0;
    for (std::int64_t j = 0; j < a.shape.columns; ++j) {
      const float q = discrete(v) ? class_product(a.shape, v, a.probabilities + j * classes, k) : 1.0F;
      sum += q * expf(term(j) - finite(largest));
    }
    const float log_sum = finite(largest) + logf(sum);
    result += discrete(v) ? finish_class(a, table, at, b, k, log_sum, largest) : log_sum;
  }
  a.log_q[b * a.shape.block_count + table.first + at] = result;
}

// Thread: a pair, of which it makes the gradients of ℓ[b, j, ·].
__global__ void store_gradients(ElboDecompositionBackward a, BlockTable table, float* gradients) {
  const std::int64_t i = global_thread();
  if (i >= a.shape.rows * a.shape.columns) return;
  float* const pair = gradients + i * a.shape.dims;
  if (table.first == 0)
    for (std::int64_t d = 0; d < a.shape.dims; ++d) pair[d] = 0;
  for (std::int32_t at = 0; at < table.count; ++at) {
    const DensityBlock& v = table.blocks[at];
    if (v.dim_begin == v.dim_end) continue;
    const float gradient = pair_gradient(a, table, at, i / a.shape.columns, i % a.shape.columns);
    for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) pair[d] += gradient;
  }
}

// Thread: a row and a dimension.
__global__ void reduce_to_z(ElboDecompositionBackward a, const float* gradients) {
  const std::int64_t i = global_thread(), dims = a.shape.dims, columns = a.shape.columns;
  if (i >= a.shape.rows * dims) return;
  const std::int64_t b = i / dims, d = i % dims;
  float dz = 0;
  for (std::int64_t j = 0; j < columns; ++j)
    dz -= gradients[(b * columns + j) * dims + d] * density_slopes(a, b, j, d).mean;
  a.dz[i] = dz;
}

// Thread: a column and a dimension.
__global__ void reduce_to_parameters(ElboDecompositionBackward a, const float* gradients) {
  const std::int64_t i = global_thread(), dims = a.shape.dims, columns = a.shape.columns;
  if (i >= columns * dims) return;
  const std::int64_t j = i / dims, d = i % dims;
  float dmean = 0, dlogvar = 0;
  for (std::int64_t b = 0; b < a.shape.rows; ++b) {
    const float gradient = gradients[(b * columns + j) * dims + d];
    const DensitySlopes slopes = density_slopes(a, b, j, d);
    dmean += gradient * slopes.mean;
    dlogvar += gradient * slopes.logvar;
  }
  a.dmean[i] = dmean;
  a.dlogvar[i] = dlogvar;
}

template <auto kernel, class... Arguments>
void run(std::int64_t threads, Stream stream, const Arguments&... arguments) {
  const auto blocks = static_cast<unsigned>(divide_up<std::int64_t>(threads, block));
  if (threads > 0) launch(kernel, blocks, block, 0, stream, arguments...);
}

std::size_t pair_bytes(const ElboDecompositionShape& s) {
  return static_cast<std::size_t>(pair_count(s)) * sizeof(float);
}

}  // namespace

std::size_t elbo_forward_pairwise_workspace(const ElboDecompositionForward& a) { return pair_bytes(a.shape); }

// A density is a number stored, a mean, a logvar, and a z that the warp shares; each is read for every block, once for the
// largest term and once for the sum.
std::int64_t elbo_forward_pairwise_bytes(const ElboDecompositionForward& a) {
  const ElboDecompositionShape& s = a.shape;
  const double warps = static_cast<double>(s.rows * s.block_count) / 32;
  const auto reduced = static_cast<std::int64_t>(2 * warps * static_cast<double>(s.columns) *
                                                 step_sectors(s).of_own_rows * sector_bytes);
  return pair_count(s) * (12 + row_sectors(s.dims)) + reduced + 4 * s.rows * s.block_count;
}

void elbo_forward_pairwise(const ElboDecompositionForward& a, Stream stream) {
  auto* const densities = static_cast<float*>(a.workspace);
  run<store_densities>(pair_count(a.shape), stream, a, densities);
  for_each_part(a.shape, [&](const BlockTable& table) {
    run<reduce_densities>(a.shape.rows * table.count, stream, a, table, densities);
  });
}

std::size_t elbo_backward_pairwise_workspace(const ElboDecompositionBackward& a) {
  return pair_bytes(a.shape);
}

// A pair's gradients are a row of memory to each thread, which lie sectors apart.
std::int64_t elbo_backward_pairwise_bytes(const ElboDecompositionBackward& a) {
  const ElboDecompositionShape& s = a.shape;
  const std::int64_t visits = sum_over_blocks(s, dims_of), apart = strided_sectors(s.dims);
  const std::int64_t of_row = row_sectors(s.dims);
  // Cleared, and added to by every block, which has computed the density and read log_q and dlog_q.
  const std::int64_t stored = s.dims * apart + visits * (2 * apart + 2 * apart + 1) + 2 * s.block_count;
  // Twice the gradient and three operands of each pair and dimension, neighbours or those of one row: of rows z, then mean
  // and logvar of columns.
  const std::int64_t reduced = s.dims * (8 + (4 + 2 * of_row) + (of_row + 8));
  return s.rows * s.columns * (stored + reduced) / 32 * sector_bytes + 4 * s.dims * (s.rows + 2 * s.columns);
}

void elbo_backward_pairwise(const ElboDecompositionBackward& a, Stream stream) {
  const ElboDecompositionShape& s = a.shape;
  auto* const gradients = static_cast<float*>(a.workspace);
  for_each_part(s, [&](const BlockTable& table) {
    run<store_gradients>(s.dims > 0 ? s.rows * s.columns : 0, stream, a, table, gradients);
    elbo_row_probabilities(a, table, stream);
    elbo_probabilities(a, table, stream);
  });
  run<reduce_to_z>(s.rows * s.dims, stream, a, gradients);
  run<reduce_to_parameters>(s.columns * s.dims, stream, a, gradients);
}

}  // namespace cuelbo::kernels::cuda
