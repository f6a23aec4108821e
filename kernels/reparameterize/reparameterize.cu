#include "kernels/reparameterize/reparameterize.hpp"

#include "kernels/runtime/noise.cuh"
#include "kernels/variants.hpp"

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

// One thread an element: each makes all four numbers of its Philox call and uses one.
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

// One thread a Philox call, which is four elements.
__global__ void forward_four(ReparameterizeForward a) {
  const std::int64_t call = global_thread(), count = a.rows * a.dims;
  if (4 * call >= count) return;
  const float4 noise = normals(*a.counter, a.operation, call);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const std::int64_t i = 4 * call + k;
    if (i >= count) break;
    const std::int64_t wide = i / a.dims * a.stride + i % a.dims;
    a.z[i] = a.mean[wide] + expf(a.logvar[wide] / 2) * component(noise, k);
  }
}

__global__ void backward_four(ReparameterizeBackward a) {
  const std::int64_t call = global_thread(), count = a.rows * a.dims;
  if (4 * call >= count) return;
  const float4 noise = normals(*a.counter, a.operation, call);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const std::int64_t i = 4 * call + k;
    if (i >= count) break;
    const std::int64_t wide = i / a.dims * a.stride + i % a.dims;
    a.dmean[wide] = a.dz[i];
    a.dlogvar[wide] = a.dz[i] * expf(a.logvar[wide] / 2) * component(noise, k) / 2;
  }
}

template <auto kernel, int elements, class Args>
void run(const Args& a, Stream stream) {
  const std::int64_t count = a.rows * a.dims;
  if (count > 0) launch(kernel, blocks(divide_up<std::int64_t>(count, elements)), block, 0, stream, a);
}

}  // namespace

Variants<ReparameterizeForward> reparameterize_forward_variants() {
  static constexpr Variant<ReparameterizeForward> variants[] = {
      {"scalar", "one thread an element, a Philox call each", {run<forward_one, 1, ReparameterizeForward>}},
      {"philox4",
       "one thread the four elements of a Philox call",
       {run<forward_four, 4, ReparameterizeForward>}}};
  return variants;
}

Variants<ReparameterizeBackward> reparameterize_backward_variants() {
  static constexpr Variant<ReparameterizeBackward> variants[] = {
      {"scalar", "one thread an element, noise made again", {run<backward_one, 1, ReparameterizeBackward>}},
      {"philox4",
       "one thread the four elements of a Philox call",
       {run<backward_four, 4, ReparameterizeBackward>}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
