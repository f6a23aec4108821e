#include "kernels/adam/adam.hpp"

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// The factor that clipping multiplies gradients with.
static float clip_factor(const Adam& args) {
  if (!(args.clip > 0)) return 1;
  const float factor = args.clip / (__builtin_sqrtf(*args.gradient_square_sum) + 1e-6F);
  return factor > 1 ? 1 : factor;
}

void launch_adam(const Adam& args, Stream stream) {
  if (args.gradient_square_sum != nullptr && !__builtin_isfinite(*args.gradient_square_sum)) return;
  const vfloat clip = broadcast(clip_factor(args));
  const vfloat beta1 = broadcast(static_cast<float>(args.beta1)),
               beta2 = broadcast(static_cast<float>(args.beta2));
  const vfloat rest1 = broadcast(static_cast<float>(1 - args.beta1));
  const vfloat rest2 = broadcast(static_cast<float>(1 - args.beta2));
  const vfloat epsilon = broadcast(args.epsilon);
  const vfloat rate = broadcast(args.step->learning_rate * args.step->first_correction);
  const vfloat correction = broadcast(args.step->second_correction);
  parallel_vectors(stream, args.count, [=, &args](std::int64_t i, auto n) {
    const vfloat g = load(args.gradient + i, n) * clip;
    const vfloat first = fma(beta1, load(args.first + i, n), rest1 * g);
    const vfloat second = fma(beta2, load(args.second + i, n), rest2 * g * g);
    const vfloat change = rate * first / (sqrt(second * correction) + epsilon);
    store(args.first + i, first, n);
    store(args.second + i, second, n);
    store(args.parameter + i, load(args.parameter + i, n) - change, n);
  });
}

Kernel<Adam> adam(Precision) { return {launch_adam}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
