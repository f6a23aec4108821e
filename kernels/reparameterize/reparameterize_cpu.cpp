#include "kernels/reparameterize/reparameterize.hpp"

#include "kernels/runtime/noise.hpp"
#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

namespace {

// The index of the first element of a run: in (rows, dims) and in (rows, stride).
struct Position {
  std::int64_t narrow, wide;
};

// Makes the noise of all elements piece by piece on the stack and calls f(position, noise, count) for every run of
// elements within one row.
template <class F>
CUELBO_INLINE void for_noise(Stream stream, const StepCounter& counter, std::uint32_t operation,
                             std::int64_t rows, std::int64_t dims, std::int64_t stride, F&& f) {
  constexpr std::int64_t piece = 1024;
  static_assert(piece % noise_block == 0 && task_elements % piece == 0);
  const NoiseSource source = noise_source(counter, operation);
  const std::int64_t count = rows * dims;
  if (stride == dims) dims = stride = count;  // one long row
  parallel_ranges(stream, count, task_elements, [&](std::int64_t task_begin, std::int64_t task_end) {
    for (std::int64_t begin = task_begin; begin < task_end; begin += piece) {
      const std::int64_t end = begin + piece < task_end ? begin + piece : task_end;
      alignas(64) float noise[piece];
      fill_noise(source, begin, end, noise, normal_block);
      std::int64_t row = begin / dims, column = begin % dims;
      for (std::int64_t i = begin; i < end;) {
        const std::int64_t length = dims - column < end - i ? dims - column : end - i;
        f(Position{.narrow = i, .wide = row * stride + column}, noise + (i - begin), length);
        i += length;
        ++row;
        column = 0;
      }
    }
  });
}

}  // namespace

void launch_reparameterize_forward(const ReparameterizeForward& args, Stream stream) {
  for_noise(stream, *args.counter, args.operation, args.rows, args.dims, args.stride,
            [&](Position at, const float* noise, std::int64_t count) {
              const float *mean = args.mean + at.wide, *logvar = args.logvar + at.wide;
              float* z = args.z + at.narrow;
              for_vectors(0, count, [=](std::int64_t i, auto n) {
                const vfloat deviation = exp(0.5F * load(logvar + i, n));
                store(z + i, fma(deviation, load(noise + i, n), load(mean + i, n)), n);
              });
            });
}

void launch_reparameterize_backward(const ReparameterizeBackward& args, Stream stream) {
  for_noise(stream, *args.counter, args.operation, args.rows, args.dims, args.stride,
            [&](Position at, const float* noise, std::int64_t count) {
              const float *logvar = args.logvar + at.wide, *dz = args.dz + at.narrow;
              float *dmean = args.dmean + at.wide, *dlogvar = args.dlogvar + at.wide;
              for_vectors(0, count, [=](std::int64_t i, auto n) {
                const vfloat gradient = load(dz + i, n);
                const vfloat deviation = exp(0.5F * load(logvar + i, n));
                store(dmean + i, gradient, n);
                store(dlogvar + i, 0.5F * gradient * deviation * load(noise + i, n), n);
              });
            });
}

Kernel<ReparameterizeForward> reparameterize_forward(Precision) { return {launch_reparameterize_forward}; }
Kernel<ReparameterizeBackward> reparameterize_backward(Precision) { return {launch_reparameterize_backward}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
