#include "kernels/batch_norm/batch_norm.hpp"

#include "kernels/activation/activation.cuh"
#include "kernels/runtime/matrix.cuh"
#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// ---- one thread per channel

__device__ void save_statistics(const BatchNormForward& a, std::int64_t c, float mean, float squares) {
  const float rows = static_cast<float>(a.rows);
  a.mean[c] = mean;
  a.inverse_deviation[c] = 1 / sqrtf(squares / rows + batch_norm_epsilon);
  a.running_mean[c] = (1 - batch_norm_momentum) * a.running_mean[c] + batch_norm_momentum * mean;
  a.running_variance[c] = (1 - batch_norm_momentum) * a.running_variance[c] +
                          batch_norm_momentum * (squares / static_cast<float>(a.rows - 1));
}

struct ForwardAlone {
  BatchNormForward a;
  __device__ void operator()(std::int64_t c) const {
    const std::int64_t end = a.rows * a.channels;
    double sum = 0, squares = 0;
    for (std::int64_t i = c; i < end; i += a.channels) sum += static_cast<double>(a.x[i]);
    const float mean = static_cast<float>(sum / static_cast<double>(a.rows));
    for (std::int64_t i = c; i < end; i += a.channels) {
      const float centred = a.x[i] - mean;
      squares += static_cast<double>(centred * centred);
    }
    save_statistics(a, c, mean, static_cast<float>(squares));
    const float factor = a.scale[c] * a.inverse_deviation[c], shift = a.shift[c];
    for (std::int64_t i = c; i < end; i += a.channels)
      a.y[i] = activate(a.activation, factor * (a.x[i] - mean) + shift);
  }
};

struct BackwardAlone {
  BatchNormBackward a;
  __device__ void operator()(std::int64_t c) const {
    const std::int64_t end = a.rows * a.channels;
    const float mean = a.mean[c], inverse_deviation = a.inverse_deviation[c];
    double dscale = 0, dshift = 0;
    for (std::int64_t i = c; i < end; i += a.channels) {
      dscale += static_cast<double>(a.dy[i] * ((a.x[i] - mean) * inverse_deviation));
      dshift += static_cast<double>(a.dy[i]);
    }
    a.dscale[c] = static_cast<float>(dscale);
    a.dshift[c] = static_cast<float>(dshift);
    const float rows = static_cast<float>(a.rows), factor = a.scale[c] * inverse_deviation;
    const float mean_dscale = a.dscale[c] / rows, mean_dshift = a.dshift[c] / rows;
    for (std::int64_t i = c; i < end; i += a.channels) {
      const float normalised = (a.x[i] - mean) * inverse_deviation;
      a.dx[i] = factor * (a.dy[i] - mean_dshift - normalised * mean_dscale);
    }
  }
};

void forward_naive(const BatchNormForward& a, Stream stream) {
  launch_rows_alone(a.channels, ForwardAlone{a}, stream);
}
void backward_naive(const BatchNormBackward& a, Stream stream) {
  launch_rows_alone(a.channels, BackwardAlone{a}, stream);
}

// ---- element-wise parts

struct NormaliseAt {
  std::int64_t channels;
  const float *x, *scale, *shift, *mean, *inverse_deviation;
  Activation activation;
  float* y;

  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    const Pack<width> scale_c = load<width>(scale + c), shift_c = load<width>(shift + c),
                      mean_c = load<width>(mean + c), inverse_c = load<width>(inverse_deviation + c);
    Pack<width> v = load<width>(x + r * channels + c);
#pragma unroll
    for (int k = 0; k < width; ++k)
      v[k] = activate(activation, scale_c[k] * inverse_c[k] * (v[k] - mean_c[k]) + shift_c[k]);
    store(y + r * channels + c, v);
  }
};

struct InferenceAt {
  BatchNormInference a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    const Pack<width> scale = load<width>(a.scale + c), shift = load<width>(a.shift + c),
                      mean = load<width>(a.running_mean + c), variance = load<width>(a.running_variance + c);
    Pack<width> v = load<width>(a.x + r * a.channels + c);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float factor = scale[k] / sqrtf(variance[k] + batch_norm_epsilon);
      v[k] = activate(a.activation, factor * (v[k] - mean[k]) + shift[k]);
    }
    store(a.y + r * a.channels + c, v);
  }
};

struct GradientAt {
  BatchNormBackward a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    const Pack<width> scale = load<width>(a.scale + c), mean = load<width>(a.mean + c),
                      inverse_deviation = load<width>(a.inverse_deviation + c),
                      dscale = load<width>(a.dscale + c), dshift = load<width>(a.dshift + c);
    const std::int64_t i = r * a.channels + c;
    const Pack<width> x = load<width>(a.x + i);
    Pack<width> v = load<width>(a.dy + i);
    const float inverse_rows = 1 / static_cast<float>(a.rows);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float normalised = (x[k] - mean[k]) * inverse_deviation[k];
      v[k] = scale[k] * inverse_deviation[k] *
             (v[k] - dshift[k] * inverse_rows - normalised * (dscale[k] * inverse_rows));
    }
    store(a.dx + i, v);
  }
};

// ---- two phases

// Mean and Σ (x − mean)² of each chunk of rows. `centre`, the mean as far as fp32 tells, is off by an amount that the second
// reading, which finds the chunk in the cache, measures: a mean of many deviations costs no digits.
__global__ void __launch_bounds__(matrix_block)
    chunk_statistics(std::int64_t rows, std::int64_t channels, std::int64_t across, std::int64_t chunk_rows,
                     const float* __restrict__ x, double* __restrict__ means, float* __restrict__ squares) {
  const ChunkOfColumn own(rows, across, chunk_rows);
  const auto at = [=](std::int64_t r) { return x[r * channels + own.column]; };
  const float centre = own.sum(channels, at) / own.rows();
  const TwoSums sums = own.sum(channels, [=](std::int64_t r) {
    const float d = at(r) - centre;
    return TwoSums{d, d * d};
  });
  if (threadIdx.y == 0 && own.column < channels) {
    const float off = sums.first / own.rows();
    means[own.chunk * channels + own.column] = static_cast<double>(centre) + static_cast<double>(off);
    squares[own.chunk * channels + own.column] = sums.second - off * sums.first;
  }
}

// The statistics of all rows from those of the chunks (Chan, Golub & LeVeque 1979).
__global__ void __launch_bounds__(matrix_block)
    combine_statistics(BatchNormForward a, std::int64_t chunks, std::int64_t across, std::int64_t chunk_rows,
                       const double* __restrict__ means, const float* __restrict__ squares) {
  const ChunkOfColumn all(chunks, across, chunks);
  const auto rows_of = [=](std::int64_t chunk) {
    return static_cast<double>(chunk + 1 < chunks ? chunk_rows : a.rows - chunk * chunk_rows);
  };
  const double total = all.sum(a.channels, [=](std::int64_t chunk) {
    return rows_of(chunk) * means[chunk * a.channels + all.column];
  });
  const double mean = total / static_cast<double>(a.rows);
  const double deviations = all.sum(a.channels, [=](std::int64_t chunk) {
    const std::int64_t i = chunk * a.channels + all.column;
    const double apart = means[i] - mean;
    return static_cast<double>(squares[i]) + rows_of(chunk) * (apart * apart);
  });
  if (threadIdx.y == 0 && all.column < a.channels)
    save_statistics(a, all.column, static_cast<float>(mean), static_cast<float>(deviations));
}

std::int64_t partial_values(const ColumnChunks& cut, std::int64_t channels) { return cut.chunks * channels; }

std::size_t forward_workspace(const BatchNormForward& a) {
  const std::int64_t values = partial_values(column_chunks(a.rows, a.channels), a.channels);
  return (sizeof(double) + sizeof(float)) * static_cast<std::size_t>(values);
}

void forward_two_phases(const BatchNormForward& a, Stream stream) {
  if (a.channels == 0) return;
  const ColumnChunks cut = column_chunks(a.rows, a.channels), rest = cut.of_partials();
  double* means = static_cast<double*>(a.workspace);
  float* squares = reinterpret_cast<float*>(means + partial_values(cut, a.channels));
  launch(chunk_statistics, cut.blocks(), cut.block, 0, stream, a.rows, a.channels, cut.across, cut.chunk_rows,
         a.x, means, squares);
  launch(combine_statistics, rest.blocks(), rest.block, 0, stream, a, cut.chunks, cut.across, cut.chunk_rows,
         means, squares);
  const bool aligned = all_aligned_to_16(a.x, a.scale, a.shift, a.mean, a.inverse_deviation, a.y);
  const NormaliseAt normalise{a.channels,          a.x,          a.scale, a.shift, a.mean,
                              a.inverse_deviation, a.activation, a.y};
  launch_matrix_elements(a.rows, a.channels, aligned, normalise, stream);
}

// dscale and dshift of each chunk of rows.
__global__ void __launch_bounds__(matrix_block)
    chunk_gradients(BatchNormBackward a, std::int64_t across, std::int64_t chunk_rows,
                    float* __restrict__ dscales, float* __restrict__ dshifts) {
  const ChunkOfColumn own(a.rows, across, chunk_rows);
  const bool inside = own.column < a.channels;
  const float mean = inside ? a.mean[own.column] : 0;
  const float inverse_deviation = inside ? a.inverse_deviation[own.column] : 0;
  const TwoSums sums = own.sum(a.channels, [=](std::int64_t r) {
    const std::int64_t i = r * a.channels + own.column;
    return TwoSums{a.dy[i] * ((a.x[i] - mean) * inverse_deviation), a.dy[i]};
  });
  if (threadIdx.y == 0 && inside) {
    dscales[own.chunk * a.channels + own.column] = sums.first;
    dshifts[own.chunk * a.channels + own.column] = sums.second;
  }
}

__global__ void __launch_bounds__(matrix_block)
    combine_gradients(std::int64_t channels, std::int64_t chunks, std::int64_t across,
                      const float* __restrict__ dscales, const float* __restrict__ dshifts,
                      float* __restrict__ dscale, float* __restrict__ dshift) {
  const ChunkOfColumn all(chunks, across, chunks);
  const TwoSums sums = all.sum(channels, [=](std::int64_t chunk) {
    const std::int64_t i = chunk * channels + all.column;
    return TwoSums{dscales[i], dshifts[i]};
  });
  if (threadIdx.y == 0 && all.column < channels) {
    dscale[all.column] = sums.first;
    dshift[all.column] = sums.second;
  }
}

std::size_t backward_workspace(const BatchNormBackward& a) {
  const std::int64_t values = partial_values(column_chunks(a.rows, a.channels), a.channels);
  return 2 * sizeof(float) * static_cast<std::size_t>(values);
}

void backward_two_phases(const BatchNormBackward& a, Stream stream) {
  if (a.channels == 0) return;
  const ColumnChunks cut = column_chunks(a.rows, a.channels), rest = cut.of_partials();
  float* dscales = static_cast<float*>(a.workspace);
  float* dshifts = dscales + partial_values(cut, a.channels);
  launch(chunk_gradients, cut.blocks(), cut.block, 0, stream, a, cut.across, cut.chunk_rows, dscales,
         dshifts);
  launch(combine_gradients, rest.blocks(), rest.block, 0, stream, a.channels, cut.chunks, cut.across, dscales,
         dshifts, a.dscale, a.dshift);
  const bool aligned =
      all_aligned_to_16(a.x, a.scale, a.mean, a.inverse_deviation, a.dscale, a.dshift, a.dy, a.dx);
  launch_matrix_elements(a.rows, a.channels, aligned, GradientAt{a}, stream);
}

void inference_scalar(const BatchNormInference& a, Stream stream) {
  launch_flat_elements(a.rows, a.channels, InferenceAt{a}, stream);
}
void inference_float4(const BatchNormInference& a, Stream stream) {
  const bool aligned = all_aligned_to_16(a.x, a.scale, a.shift, a.running_mean, a.running_variance, a.y);
  launch_matrix_elements(a.rows, a.channels, aligned, InferenceAt{a}, stream);
}

}  // namespace

Variants<BatchNormForward> batch_norm_forward_variants() {
  static constexpr Variant<BatchNormForward> variants[] = {
      {"naive", "one thread per channel", {forward_naive}},
      {"two_phases",
       "mean and squares of chunks of rows, then of all; float4 normalisation",
       {forward_two_phases, forward_workspace}}};
  return variants;
}

Variants<BatchNormInference> batch_norm_inference_variants() {
  static constexpr Variant<BatchNormInference> variants[] = {
      {"scalar", "one thread per element, its channel by a division", {inference_scalar}},
      {"float4", "blocks of rows and channels, 16-byte loads and stores", {inference_float4}}};
  return variants;
}

Variants<BatchNormBackward> batch_norm_backward_variants() {
  static constexpr Variant<BatchNormBackward> variants[] = {
      {"naive", "one thread per channel", {backward_naive}},
      {"two_phases",
       "sums of chunks of rows, then of all; float4 gradient",
       {backward_two_phases, backward_workspace}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
