// One thread for each number of the result, which goes through all columns (or rows) by itself. Pairs of rows and columns
// are computed again and again, and nothing is kept between threads.
#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"
#include "kernels/elbo_decomposition/pair_bytes.hpp"
#include "kernels/elbo_decomposition/pair_density.cuh"

namespace cuelbo::kernels::cuda {

namespace {

constexpr unsigned block = 128;

__device__ std::int64_t global_thread() { return std::int64_t{blockIdx.x} * block + threadIdx.x; }

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
      const float term = log_term(a, v, b, j);
      largest = fmaxf(largest, term);
      mixture.add(discrete(v) ? term + logf(class_product(a.shape, v, a.probabilities + j * classes, k))
                              : term);
    }
    result += discrete(v) ? finish_class(a, table, at, b, k, mixture.result(), largest) : mixture.result();
  }
  a.log_q[b * a.shape.block_count + table.first + at] = result;
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
    for (std::int64_t j = 0; j < a.shape.columns; ++j)
      dz -= pair_gradient(a, table, at, b, j) * density_slopes(a, b, j, d).mean;
  }
  a.dz[i] = dz;
}

// Thread: a column and a dimension.
__global__ void backward_parameters(ElboDecompositionBackward a, BlockTable table) {
  const std::int64_t i = global_thread(), dims = a.shape.dims;
  if (i >= a.shape.columns * dims) return;
  const std::int64_t j = i / dims, d = i % dims;
  float dmean = table.first == 0 ? 0.0F : a.dmean[i], dlogvar = table.first == 0 ? 0.0F : a.dlogvar[i];
  for (std::int32_t at = 0; at < table.count; ++at) {
    if (!has_dim(table.blocks[at], d)) continue;
    for (std::int64_t b = 0; b < a.shape.rows; ++b) {
      const float gradient = pair_gradient(a, table, at, b, j);
      const DensitySlopes slopes = density_slopes(a, b, j, d);
      dmean += gradient * slopes.mean;
      dlogvar += gradient * slopes.logvar;
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
    for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
      const float others = class_product(a.shape, v, a.row_probabilities + b * classes, k, c);
      if (others != 0) sum += g * log_sums[k] * others;
    }
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
      const float term = log_term(a, v, b, j);
      for (std::int32_t k = 0; k < class_count(a.shape, v); ++k) {
        const float others = class_product(a.shape, v, a.probabilities + j * classes, k, c);
        if (others != 0) sum += others * class_gradient(a, table, at, b, k, term);
      }
    }
  }
  a.dprobabilities[i] = sum;
}

template <auto kernel, class Args>
void run(std::int64_t threads, const Args& a, const BlockTable& table, Stream stream) {
  if (threads > 0)
    launch(kernel, static_cast<unsigned>(divide_up<std::int64_t>(threads, block)), block, 0, stream, a,
           table);
}

}  // namespace

// Per pair: mean and logvar, of one column for the whole warp, and z of its rows.
std::int64_t elbo_forward_thread_bytes(const ElboDecompositionForward& a) {
  const ElboDecompositionShape& s = a.shape;
  const double warps = static_cast<double>(s.rows * s.block_count) / 32;
  const StepSectors sectors = step_sectors(s);
  return static_cast<std::int64_t>(warps * static_cast<double>(s.columns) *
                                   (2 * sectors.of_one_row + sectors.of_own_rows) * sector_bytes) +
         4 * s.rows * s.block_count;
}

void elbo_forward_thread(const ElboDecompositionForward& a, Stream stream) {
  for_each_part(a.shape, [&](const BlockTable& table) {
    run<forward_each>(a.shape.rows * table.count, a, table, stream);
  });
}

void elbo_row_probabilities(const ElboDecompositionBackward& a, const BlockTable& table, Stream stream) {
  run<backward_row_probabilities>(a.shape.rows * class_column_count(a.shape), a, table, stream);
}
void elbo_probabilities(const ElboDecompositionBackward& a, const BlockTable& table, Stream stream) {
  run<backward_probabilities>(a.shape.columns * class_column_count(a.shape), a, table, stream);
}

// A warp has the dimensions of `shared` rows (or columns), or 32 of one. For each block that it has dimensions of, and each
// pair, it computes the density, reads log_q and dlog_q, and then the operands of its own dimensions.
std::int64_t elbo_backward_thread_bytes(const ElboDecompositionBackward& a) {
  const ElboDecompositionShape& s = a.shape;
  const std::int64_t shared = s.dims < 32 ? 32 / s.dims : 1;
  std::int64_t visits = 0, blocks = 0, slopes = 0;
  for (std::int32_t i = 0; i < s.block_count; ++i) {
    const DensityBlock& v = s.blocks[i];
    if (dims_of(v) == 0) continue;
    const std::int64_t warps = (v.dim_end - 1) / 32 - v.dim_begin / 32 + 1;
    visits += warps * dims_of(v);
    blocks += warps;
    slopes += (v.dim_end - 1) / sector_floats - v.dim_begin / sector_floats + 1;
  }
  const std::int64_t of_rows = (visits + slopes) * (shared + 2) + 2 * blocks * shared;
  const std::int64_t of_columns = (visits + slopes) * (1 + 2 * shared) + 2 * blocks;
  return s.rows * s.columns / shared * (of_rows + of_columns) * sector_bytes +
         4 * s.dims * (s.rows + 2 * s.columns);
}

void elbo_backward_thread(const ElboDecompositionBackward& a, Stream stream) {
  for_each_part(a.shape, [&](const BlockTable& table) {
    run<backward_z>(a.shape.rows * a.shape.dims, a, table, stream);
    run<backward_parameters>(a.shape.columns * a.shape.dims, a, table, stream);
    elbo_row_probabilities(a, table, stream);
    elbo_probabilities(a, table, stream);
  });
}

}  // namespace cuelbo::kernels::cuda
