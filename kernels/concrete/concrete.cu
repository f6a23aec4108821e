#include "kernels/concrete/concrete.hpp"

#include "kernels/runtime/noise.cuh"
#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

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

// ---- one thread per row

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

// ---- a team of 1 to 32 lanes a row, as many as the row has Philox calls; a lane takes whole calls, so that each is made once

// Lanes that share a row: a power of two.
int team_of(std::int64_t classes) {
  int lanes = 1;
  while (lanes < warp_lanes && 4 * lanes < classes) lanes *= 2;
  return lanes;
}

template <class Op>
__device__ float team_reduce(float value, int lanes, Op op) {
  for (int distance = lanes / 2; distance > 0; distance /= 2)
    value = op(value, __shfl_xor_sync(~0U, value, distance));
  return value;
}

// This lane's elements of its row: those of [begin, end) that belong to calls call, call + lanes, … A team beyond the last
// row has none, but stays for its warp's shuffles.
struct Share {
  std::int64_t begin = 0, end = 0, call = 0;
  int lanes;

  __device__ Share(std::int64_t rows, std::int64_t classes, int team) : lanes(team) {
    const std::int64_t thread = std::int64_t{blockIdx.x} * block + threadIdx.x, row = thread / team;
    if (row >= rows) return;
    begin = row * classes;
    end = begin + classes;
    call = begin / 4 + thread % team;
  }

  // f(k, i) for element i, which is number k of its call; before(call) once for each call.
  template <class Before, class F>
  __device__ void for_each(Before before, F f) const {
    for (std::int64_t c = call; 4 * c < end; c += lanes) {
      before(c);
#pragma unroll
      for (int k = 0; k < 4; ++k)
        if (4 * c + k >= begin && 4 * c + k < end) f(k, 4 * c + k);
    }
  }
  template <class F>
  __device__ void for_each(F f) const {
    for_each([](std::int64_t) {}, [&](int, std::int64_t i) { f(i); });
  }
};

__global__ void forward_team(ConcreteForward a, int team) {
  const Share share(a.rows, a.classes, team);
  float maximum = minus_infinity;
  PhiloxCounter words;
  share.for_each(
      [&](std::int64_t call) { words = noise_words(*a.counter, a.operation, call); },
      [&](int k, std::int64_t i) {
        const std::uint32_t word = k == 0 ? words.x : k == 1 ? words.y : k == 2 ? words.z : words.w;
        a.y[i] = (a.logits[i] + gumbel(word)) / a.temperature;
        maximum = fmaxf(maximum, a.y[i]);
      });
  maximum = team_reduce(maximum, team, Maximum{});
  float sum = 0;  // meets the NaN that the maximum may have lost
  share.for_each([&](std::int64_t i) { sum += a.y[i] = expf(a.y[i] - maximum); });
  sum = team_reduce(sum, team, Plus{});
  share.for_each([&](std::int64_t i) { a.y[i] /= sum; });
}

__global__ void backward_team(ConcreteBackward a, int team) {
  const Share share(a.rows, a.classes, team);
  float inner = 0;
  share.for_each([&](std::int64_t i) { inner += a.y[i] * a.dy[i]; });
  inner = team_reduce(inner, team, Plus{});
  share.for_each([&](std::int64_t i) { a.dlogits[i] = a.y[i] * (a.dy[i] - inner) / a.temperature; });
}

template <auto kernel, class Args>
void run_alone(const Args& a, Stream stream) {
  if (a.rows == 0 || a.classes == 0) return;
  launch(kernel, static_cast<unsigned>(divide_up<std::int64_t>(a.rows, block)), block, 0, stream, a);
}

template <auto kernel, class Args>
void run_team(const Args& a, Stream stream) {
  if (a.rows == 0 || a.classes == 0) return;
  const int team = team_of(a.classes);
  const auto blocks = divide_up<std::int64_t>(a.rows * team, block);
  launch(kernel, static_cast<unsigned>(blocks), block, 0, stream, a, team);
}

}  // namespace

Variants<ConcreteForward> concrete_forward_variants() {
  static constexpr Variant<ConcreteForward> variants[] = {
      {"naive", "one thread per row, one Philox call per element", {run_alone<forward_row, ConcreteForward>}},
      {"shuffle",
       "up to one warp per row, whole Philox calls per lane",
       {run_team<forward_team, ConcreteForward>}}};
  return variants;
}

Variants<ConcreteBackward> concrete_backward_variants() {
  static constexpr Variant<ConcreteBackward> variants[] = {
      {"naive", "one thread per row", {run_alone<backward_row, ConcreteBackward>}},
      {"shuffle",
       "up to one warp per row, whole Philox calls per lane",
       {run_team<backward_team, ConcreteBackward>}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
