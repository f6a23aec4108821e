#include "kernels/reparameterize/reparameterize.hpp"

#include "kernels/reparameterize/reparameterize_library.hpp"
#include "kernels/runtime/noise.cuh"
#include "kernels/runtime/pack.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr unsigned block = 256;

unsigned blocks(std::int64_t threads) {
  return static_cast<unsigned>(divide_up<std::int64_t>(threads, block));
}

__device__ std::int64_t global_thread() { return std::int64_t{blockIdx.x} * block + threadIdx.x; }

__device__ float component(const float4& v, int k) {
  return k == 0 ? v.x : k == 1 ? v.y : k == 2 ? v.z : v.w;
}

// One thread per element: each makes all four numbers of its Philox call and uses one.
__global__ void forward_one(ReparameterizeForward a) {
  const std::int64_t i = global_thread();
  if (i >= a.rows * a.dims) return;
  const std::int64_t wide = i / a.dims * a.stride + i % a.dims;
  const float noise = component(normals(*a.counter, a.operation, i / 4), static_cast<int>(i % 4));
  a.z[i] = a.mean[wide] + expf(a.logvar[wide] / 2) * noise;
}

__global__ void backward_one(ReparameterizeBackward a) {
  const std::int64_t i = global_thread();
  if (i >= a.rows * a.dims) return;
  const std::int64_t wide = i / a.dims * a.stride + i % a.dims;
  const float noise = component(normals(*a.counter, a.operation, i / 4), static_cast<int>(i % 4));
  a.dmean[wide] = a.dz[i];
  a.dlogvar[wide] = a.dz[i] * expf(a.logvar[wide] / 2) * noise / 2;
}

// One thread per Philox call, which makes four numbers. f(i, wide, noise), i counting elements and `wide` their place in wider
// rows, gets all four as a pack where that is 16 bytes of one row. Elsewhere the numbers of a warp change hands, so that its
// lanes take neighbouring elements and not every fourth.
template <int width, class Args, class F>
__device__ void with_noise(const Args& a, F f) {
  const std::int64_t call = global_thread(), count = a.rows * a.dims;
  const auto place = [&](std::int64_t i) { return i / a.dims * a.stride + i % a.dims; };
  Pack<4> noise{};
  if (4 * call < count) {
    const float4 four = normals(*a.counter, a.operation, call);
    noise = {four.x, four.y, four.z, four.w};
  }
  if constexpr (width == 4) {
    if (4 * call < count) f(4 * call, place(4 * call), noise);
  } else {
    __shared__ __align__(16) float made[4 * block];
    store(made + 4 * threadIdx.x, noise);
    __syncwarp();
    const unsigned first = threadIdx.x / 32 * 128 + threadIdx.x % 32;
#pragma unroll
    for (unsigned mine = first; mine < first + 128; mine += 32) {
      const std::int64_t i = std::int64_t{blockIdx.x} * 4 * block + mine;
      if (i < count) f(i, place(i), Pack<1>{made[mine]});
    }
  }
}

template <int width>
__global__ void __launch_bounds__(block) forward_four(ReparameterizeForward a) {
  with_noise<width>(a, [&](std::int64_t i, std::int64_t wide, const Pack<width>& noise) {
    const Pack<width> mean = load<width>(a.mean + wide), logvar = load<width>(a.logvar + wide);
    Pack<width> z;
#pragma unroll
    for (int e = 0; e < width; ++e) z[e] = mean[e] + expf(logvar[e] / 2) * noise[e];
    store(a.z + i, z);
  });
}

template <int width>
__global__ void __launch_bounds__(block) backward_four(ReparameterizeBackward a) {
  with_noise<width>(a, [&](std::int64_t i, std::int64_t wide, const Pack<width>& noise) {
    const Pack<width> dz = load<width>(a.dz + i), logvar = load<width>(a.logvar + wide);
    Pack<width> dlogvar;
#pragma unroll
    for (int e = 0; e < width; ++e) dlogvar[e] = dz[e] * expf(logvar[e] / 2) * noise[e] / 2;
    store(a.dmean + wide, dz);
    store(a.dlogvar + wide, dlogvar);
  });
}

template <auto kernel, int elements, class Args>
void run(const Args& a, Stream stream) {
  const std::int64_t count = a.rows * a.dims;
  if (count > 0) launch(kernel, blocks(divide_up<std::int64_t>(count, elements)), block, 0, stream, a);
}

// Four neighbours are in one row, and every row starts at a multiple of 16 bytes.
template <class Args, class... Pointers>
bool in_packs(const Args& a, Pointers... pointers) {
  return a.dims % 4 == 0 && a.stride % 4 == 0 && all_aligned_to_16(pointers...);
}

void forward_philox4(const ReparameterizeForward& a, Stream stream) {
  with_width(in_packs(a, a.mean, a.logvar, a.z),
             [&](auto width) { run<forward_four<width()>, 4>(a, stream); });
}
void backward_philox4(const ReparameterizeBackward& a, Stream stream) {
  with_width(in_packs(a, a.logvar, a.dz, a.dmean, a.dlogvar),
             [&](auto width) { run<backward_four<width()>, 4>(a, stream); });
}

// Each element's operands once, and the counter by each warp's calls: a sector for the seed and one for the step.
template <int bytes, int elements, class Args>
std::int64_t moved_bytes(const Args& a) {
  return a.rows * a.dims * bytes + divide_up<std::int64_t>(a.rows * a.dims, 32 * elements) * 64;
}

}  // namespace

Variants<ReparameterizeForward> reparameterize_forward_variants() {
  using Args = ReparameterizeForward;
  static constexpr Variant<ReparameterizeForward> variants[] = {
      {"scalar",
       "one thread and one Philox call per element",
       {run<forward_one, 1, Args>, nullptr, moved_bytes<12, 1, Args>}},
      {"noise_buffer",
       "the noise into memory, a Philox call for 4 elements, and read from there: 20 bytes per element",
       {forward_noise_buffer, noise_buffer_workspace, moved_bytes<20, 4, Args>}},
      {"philox4",
       "one thread per Philox call of four elements, noise in registers, 16-byte accesses: 12 bytes per "
       "element",
       {forward_philox4, nullptr, moved_bytes<12, 4, Args>}}};
  static const auto all =
      joined<ReparameterizeForward>({variants, reparameterize_forward_library_variants()});
  return all;
}

Variants<ReparameterizeBackward> reparameterize_backward_variants() {
  using Args = ReparameterizeBackward;
  static constexpr Variant<ReparameterizeBackward> variants[] = {
      {"scalar",
       "one thread per element, noise made again",
       {run<backward_one, 1, Args>, nullptr, moved_bytes<16, 1, Args>}},
      {"philox4",
       "one thread per Philox call of four elements, 16-byte accesses: a quarter of the calls and requests",
       {backward_philox4, nullptr, moved_bytes<16, 4, Args>}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
