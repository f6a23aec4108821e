#include "kernels/concrete/concrete.hpp"

#include "kernels/runtime/noise.cuh"
#include "kernels/runtime/reduction.cuh"
#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr unsigned block = 256;

__device__ float word_of(const PhiloxCounter& words, std::int64_t i) {
  const int k = static_cast<int>(i % 4);
  return gumbel(k == 0 ? words.x : k == 1 ? words.y : k == 2 ? words.z : words.w);
}

// logits[i] with its noise, over the temperature.
__device__ float perturbed(const ConcreteForward& a, std::int64_t i) {
  return (a.logits[i] + word_of(noise_words(*a.counter, a.operation, i / 4), i)) / a.temperature;
}

// ---- one thread a row

__global__ void forward_row(ConcreteForward a) {
  const std::int64_t r = std::int64_t{blockIdx.x} * block + threadIdx.x;
  if (r >= a.rows) return;
  const std::int64_t begin = r * a.classes, end = begin + a.classes;
  float maximum = perturbed(a, begin);
  for (std::int64_t i = begin; i < end; ++i) {
    a.y[i] = perturbed(a, i);
    maximum = fmaxf(maximum, a.y[i]);
  }
  double sum = 0;  // of a whole row: fp32 would lose a bit for every doubling of its length
  for (std::int64_t i = begin; i < end; ++i) sum += static_cast<double>(expf(a.y[i] - maximum));
  const auto factor = static_cast<float>(1 / sum);
  for (std::int64_t i = begin; i < end; ++i) a.y[i] = expf(a.y[i] - maximum) * factor;
}

__global__ void backward_row(ConcreteBackward a) {
  const std::int64_t r = std::int64_t{blockIdx.x} * block + threadIdx.x;
  if (r >= a.rows) return;
  const std::int64_t begin = r * a.classes, end = begin + a.classes;
  double sum = 0;
  for (std::int64_t i = begin; i < end; ++i) sum += static_cast<double>(a.y[i] * a.dy[i]);
  const auto inner = static_cast<float>(sum);
  for (std::int64_t i = begin; i < end; ++i) a.dlogits[i] = a.y[i] * (a.dy[i] - inner) / a.temperature;
}

// ---- one warp a row: lanes share its classes; all of a warp leave together

__global__ void forward_warp(ConcreteForward a) {
  const std::int64_t r = (std::int64_t{blockIdx.x} * block + threadIdx.x) / warp_lanes;
  if (r >= a.rows) return;
  const std::int64_t begin = r * a.classes + threadIdx.x % warp_lanes, end = (r + 1) * a.classes;
  float maximum = __int_as_float(static_cast<int>(0xff800000U));  // −∞
  for (std::int64_t i = begin; i < end; i += warp_lanes) {
    a.y[i] = perturbed(a, i);
    maximum = fmaxf(maximum, a.y[i]);
  }
  maximum = warp_reduce(maximum, Maximum{});
  float sum = 0;
  for (std::int64_t i = begin; i < end; i += warp_lanes) sum += expf(a.y[i] - maximum);
  sum = warp_reduce(sum, Plus{});
  for (std::int64_t i = begin; i < end; i += warp_lanes) a.y[i] = expf(a.y[i] - maximum) / sum;
}

__global__ void backward_warp(ConcreteBackward a) {
  const std::int64_t r = (std::int64_t{blockIdx.x} * block + threadIdx.x) / warp_lanes;
  if (r >= a.rows) return;
  const std::int64_t begin = r * a.classes + threadIdx.x % warp_lanes, end = (r + 1) * a.classes;
  float inner = 0;
  for (std::int64_t i = begin; i < end; i += warp_lanes) inner += a.y[i] * a.dy[i];
  inner = warp_reduce(inner, Plus{});
  for (std::int64_t i = begin; i < end; i += warp_lanes)
    a.dlogits[i] = a.y[i] * (a.dy[i] - inner) / a.temperature;
}

template <auto kernel, int threads, class Args>
void run(const Args& a, Stream stream) {
  if (a.rows > 0 && a.classes > 0)
    launch(kernel, static_cast<unsigned>(divide_up<std::int64_t>(a.rows * threads, block)), block, 0, stream,
           a);
}

}  // namespace

Variants<ConcreteForward> concrete_forward_variants() {
  static constexpr Variant<ConcreteForward> variants[] = {
      {"naive", "one thread a row, a Philox call an element", {run<forward_row, 1, ConcreteForward>}},
      {"shuffle", "one warp a row", {run<forward_warp, warp_lanes, ConcreteForward>}}};
  return variants;
}

Variants<ConcreteBackward> concrete_backward_variants() {
  static constexpr Variant<ConcreteBackward> variants[] = {
      {"naive", "one thread a row", {run<backward_row, 1, ConcreteBackward>}},
      {"shuffle", "one warp a row", {run<backward_warp, warp_lanes, ConcreteBackward>}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
