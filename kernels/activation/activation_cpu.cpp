#include "kernels/activation/activation.hpp"

#include "kernels/activation/activation_simd.hpp"
#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void launch_activation_forward(const ActivationForward& args, Stream stream) {
  const float* x = args.x;
  float* y = args.y;
  dispatch_activation(args.activation, [&](auto activation) {
    parallel_vectors(stream, args.count, [=](std::int64_t i, auto n) {
      store(y + i, apply_activation(activation.value, load(x + i, n)), n);
    });
  });
}

void launch_activation_backward(const ActivationBackward& args, Stream stream) {
  const float *y = args.y, *dy = args.dy;
  float* dx = args.dx;
  dispatch_activation(args.activation, [&](auto activation) {
    parallel_vectors(stream, args.count, [=](std::int64_t i, auto n) {
      store(dx + i, load(dy + i, n) * activation_derivative_from_output(activation.value, load(y + i, n)), n);
    });
  });
}

Kernel<ActivationForward> activation_forward(Precision) { return {launch_activation_forward}; }
Kernel<ActivationBackward> activation_backward(Precision) { return {launch_activation_backward}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
