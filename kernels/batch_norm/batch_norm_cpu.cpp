#include "kernels/batch_norm/batch_norm.hpp"

#include "kernels/activation/activation_simd.hpp"
#include "kernels/reduce/column_sums.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

namespace {

// y = activation(factor · (x − mean) + shift), where factor(c, n) makes the factors of n channels from c on.
template <class F>
CUELBO_INLINE void normalise(Stream stream, std::int64_t rows, std::int64_t channels, const float* x,
                             const float* mean, const float* shift, Activation activation, float* y,
                             F&& factor) {
  dispatch_activation(activation, [&](auto constant) {
    parallel_chunks(stream, rows, channels, [&](const Chunk& chunk) {
      float factors[chunk_columns];
      const std::int64_t first = chunk.column_begin;
      for_vectors(first, chunk.column_end,
                  [&](std::int64_t c, auto n) { store(factors + (c - first), factor(c, n), n); });
      for (std::int64_t r = chunk.row_begin; r < chunk.row_end; ++r) {
        const float* from = x + r * channels;
        float* to = y + r * channels;
        for_vectors(first, chunk.column_end, [&](std::int64_t c, auto n) {
          const vfloat centred = load(from + c, n) - load(mean + c, n);
          const vfloat value = fma(load(factors + (c - first), n), centred, load(shift + c, n));
          store(to + c, apply_activation(constant.value, value), n);
        });
      }
    });
  });
}

// A mean and a sum of squares about it, or two sums, for every chunk of rows and channel.
std::size_t statistics_bytes(std::int64_t rows, std::int64_t channels) {
  return 2 * sizeof(float) * static_cast<std::size_t>(row_chunks(rows) * channels);
}

CUELBO_INLINE std::int64_t rows_of_chunk(std::int64_t chunk, std::int64_t rows) {
  const std::int64_t left = rows - chunk * chunk_rows;
  return left < chunk_rows ? left : chunk_rows;
}

}  // namespace

std::size_t batch_norm_forward_workspace(const BatchNormForward& args) {
  return statistics_bytes(args.rows, args.channels);
}

// One pass over memory for the statistics: the mean of a chunk, then, from cache, the squares about that mean; chunks are
// combined as in Chan, Golub & LeVeque 1983.
void launch_batch_norm_forward(const BatchNormForward& args, Stream stream) {
  const std::int64_t rows = args.rows, channels = args.channels, chunks = row_chunks(rows);
  const float* x = args.x;
  float* means = static_cast<float*>(args.workspace);  // (chunks, channels)
  float* squares = means + chunks * channels;          // (chunks, channels)
  parallel_chunks(stream, rows, channels, [=](const Chunk& chunk) {
    float* mean = means + chunk.index * channels;
    float* square = squares + chunk.index * channels;
    const vfloat weight = broadcast(1 / static_cast<float>(chunk.row_end - chunk.row_begin));
    sum_columns_of<1>(
        chunk,
        [=](ColumnSums<1>& sums, std::int64_t r, std::int64_t c, auto n) {
          sums.value[0] += load(x + r * channels + c, n);
        },
        [=](const ColumnSums<1>& sums, std::int64_t c, auto n) {
          store(mean + c, weight * sums.value[0], n);
        });
    sum_columns_of<2>(
        chunk,
        [=](ColumnSums<2>& sums, std::int64_t r, std::int64_t c, auto n) {
          const vfloat centred = load(x + r * channels + c, n) - load(mean + c, n);
          sums.value[0] = fma(centred, centred, sums.value[0]);
          sums.value[1] += centred;
        },
        [=](const ColumnSums<2>& sums, std::int64_t c, auto n) {
          const vfloat rest = weight * sums.value[1];  // what rounding left out of the mean
          store(square + c, sums.value[0] - rest * sums.value[1], n);
          store(mean + c, load(mean + c, n) + rest, n);
        });
  });

  const double momentum = static_cast<double>(batch_norm_momentum), count = static_cast<double>(rows);
  const auto follow = [=](float running, double batch) {
    return static_cast<float>((1 - momentum) * static_cast<double>(running) + momentum * batch);
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    double mean = 0, sum = 0;
    for (std::int64_t k = 0; k < chunks; ++k) {
      mean += static_cast<double>(rows_of_chunk(k, rows)) * static_cast<double>(means[k * channels + c]);
    }
    mean /= count;
    for (std::int64_t k = 0; k < chunks; ++k) {
      const double apart = static_cast<double>(means[k * channels + c]) - mean;
      sum += static_cast<double>(squares[k * channels + c]) +
             static_cast<double>(rows_of_chunk(k, rows)) * apart * apart;
    }
    args.mean[c] = static_cast<float>(mean);
    args.inverse_deviation[c] =
        static_cast<float>(1 / __builtin_sqrt(sum / count + static_cast<double>(batch_norm_epsilon)));
    args.running_mean[c] = follow(args.running_mean[c], mean);
    args.running_variance[c] = follow(args.running_variance[c], sum / (count - 1));
  }
  normalise(
      stream, rows, channels, x, args.mean, args.shift, args.activation, args.y,
      [&](std::int64_t c, auto n) { return load(args.scale + c, n) * load(args.inverse_deviation + c, n); });
}

void launch_batch_norm_inference(const BatchNormInference& args, Stream stream) {
  normalise(stream, args.rows, args.channels, args.x, args.running_mean, args.shift, args.activation, args.y,
            [&](std::int64_t c, auto n) {
              return load(args.scale + c, n) / sqrt(load(args.running_variance + c, n) + batch_norm_epsilon);
            });
}

std::size_t batch_norm_backward_workspace(const BatchNormBackward& args) {
  return statistics_bytes(args.rows, args.channels);
}

void launch_batch_norm_backward(const BatchNormBackward& args, Stream stream) {
  const std::int64_t rows = args.rows, channels = args.channels, chunks = row_chunks(rows);
  const float *x = args.x, *dy = args.dy, *mean = args.mean, *inverse_deviation = args.inverse_deviation;
  float* scales = static_cast<float*>(args.workspace);  // (chunks, channels): Σ dy · normalised x
  float* shifts = scales + chunks * channels;           // (chunks, channels): Σ dy
  parallel_chunks(stream, rows, channels, [=](const Chunk& chunk) {
    sum_columns_of<2>(
        chunk,
        [=](ColumnSums<2>& sums, std::int64_t r, std::int64_t c, auto n) {
          const vfloat gradient = load(dy + r * channels + c, n);
          sums.value[0] = fma(gradient, load(x + r * channels + c, n) - load(mean + c, n), sums.value[0]);
          sums.value[1] += gradient;
        },
        [=](const ColumnSums<2>& sums, std::int64_t c, auto n) {
          store(scales + chunk.index * channels + c, sums.value[0] * load(inverse_deviation + c, n), n);
          store(shifts + chunk.index * channels + c, sums.value[1], n);
        });
  });
  for (std::int64_t c = 0; c < channels; ++c) {
    args.dscale[c] = static_cast<float>(total_of_chunks(scales, chunks, channels, c));
    args.dshift[c] = static_cast<float>(total_of_chunks(shifts, chunks, channels, c));
  }

  const vfloat weight = broadcast(static_cast<float>(1 / static_cast<double>(rows)));
  parallel_rows(stream, rows, channels, [=, &args](std::int64_t row) {
    const float *from = x + row * channels, *gradient = dy + row * channels;
    float* dx = args.dx + row * channels;
    for_vectors(0, channels, [=, &args](std::int64_t c, auto n) {
      const vfloat inverse = load(inverse_deviation + c, n);
      const vfloat normalised = (load(from + c, n) - load(mean + c, n)) * inverse;
      const vfloat common = weight * fma(normalised, load(args.dscale + c, n), load(args.dshift + c, n));
      store(dx + c, load(args.scale + c, n) * inverse * (load(gradient + c, n) - common), n);
    });
  });
}

Kernel<BatchNormForward> batch_norm_forward(Precision) {
  return {launch_batch_norm_forward, batch_norm_forward_workspace};
}
Kernel<BatchNormInference> batch_norm_inference(Precision) { return {launch_batch_norm_inference}; }
Kernel<BatchNormBackward> batch_norm_backward(Precision) {
  return {launch_batch_norm_backward, batch_norm_backward_workspace};
}

}  // namespace cuelbo::kernels::CUELBO_ISA
