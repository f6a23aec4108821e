#include "kernels/activation/activation.hpp"

#include "kernels/activation/activation.cuh"
#include "kernels/runtime/elementwise.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

struct Activate {
  Activation activation;
  __device__ float operator()(const float* x) const { return activate(activation, x[0]); }
};
struct TimesDerivative {
  Activation activation;
  __device__ float operator()(const float* y_dy) const {
    return y_dy[1] * derivative_from_output(activation, y_dy[0]);
  }
};

ElementwiseOperands<Activate, 1> operands(const ActivationForward& a) {
  return {.count = a.count, .x = {a.x}, .y = a.y, .f = {a.activation}};
}
ElementwiseOperands<TimesDerivative, 2> operands(const ActivationBackward& a) {
  return {.count = a.count, .x = {a.y, a.dy}, .y = a.dx, .f = {a.activation}};
}

template <class Args>
void scalar(const Args& a, Stream stream) {
  launch_elementwise_scalar(operands(a), stream);
}
template <class Args>
void float4_(const Args& a, Stream stream) {
  launch_elementwise_float4(operands(a), stream);
}
template <class Args>
constexpr Variant<Args> ladder[] = {
    {"scalar", "one thread per element", {scalar<Args>}},
    {"float4", "four elements per thread, 16-byte loads and stores", {float4_<Args>}}};

}  // namespace

Variants<ActivationForward> activation_forward_variants() { return ladder<ActivationForward>; }
Variants<ActivationBackward> activation_backward_variants() { return ladder<ActivationBackward>; }

}  // namespace cuelbo::kernels::cuda
