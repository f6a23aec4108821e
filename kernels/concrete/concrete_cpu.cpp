#include "kernels/concrete/concrete.hpp"

#include "kernels/runtime/noise.hpp"
#include "kernels/softmax/softmax_simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void launch_concrete_forward(const ConcreteForward& args, Stream stream) {
  constexpr std::int64_t piece = 1024;
  const NoiseSource source = noise_source(*args.counter, args.operation);
  const std::int64_t classes = args.classes;
  parallel_row_ranges(stream, args.rows, classes, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float scratch[piece];
    const std::int64_t rows = classes < piece ? piece / classes : 1;
    for (std::int64_t row = begin; row < end; row += rows) {
      const std::int64_t first = row * classes, last = (row + rows < end ? row + rows : end) * classes;
      const float* logits = args.logits + first;
      float* y = args.y + first;
      float* noisy = classes <= piece ? scratch : y;
      fill_noise(source, first, last, noisy, gumbel_block);
      for_vectors(0, last - first, [=](std::int64_t i, auto n) {
        store(noisy + i, load(logits + i, n) + load(noisy + i, n), n);
      });
      for (std::int64_t i = 0; i < last - first; i += classes) {
        softmax_row(noisy + i, 1 / args.temperature, y + i, classes);
      }
    }
  });
}

void launch_concrete_backward(const ConcreteBackward& args, Stream stream) {
  parallel_rows(stream, args.rows, args.classes, [&](std::int64_t row) {
    const std::int64_t begin = row * args.classes;
    softmax_row_backward(args.y + begin, args.dy + begin, 1 / args.temperature, args.dlogits + begin,
                         args.classes);
  });
}

Kernel<ConcreteForward> concrete_forward(Precision) { return {launch_concrete_forward}; }
Kernel<ConcreteBackward> concrete_backward(Precision) { return {launch_concrete_backward}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
