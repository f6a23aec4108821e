#include "kernels/reparameterize/reparameterize_library.hpp"

#include "kernels/runtime/matrix.cuh"
#include "kernels/runtime/noise.cuh"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)
#include "kernels/runtime/library_calls.hpp"
#endif

namespace cuelbo::kernels::cuda {

namespace {

constexpr unsigned block = 256;

std::int64_t noise_calls(const ReparameterizeForward& a) {
  return divide_up<std::int64_t>(a.rows * a.dims, 4);
}

// One thread per Philox call.
__global__ void make_noise(const StepCounter* counter, std::uint32_t operation, std::int64_t calls,
                           float4* noise) {
  const std::int64_t call = std::int64_t{blockIdx.x} * block + threadIdx.x;
  if (call < calls) noise[call] = normals(*counter, operation, call);
}

struct ScaleAt {
  ReparameterizeForward a;
  const float* noise;  // (rows, dims)
  template <int width>
  __device__ void at(std::int64_t row, std::int64_t column) const {
    const std::int64_t i = row * a.dims + column, wide = row * a.stride + column;
    const Pack<width> mean = load<width>(a.mean + wide), logvar = load<width>(a.logvar + wide),
                      epsilon = load<width>(noise + i);
    Pack<width> z;
#pragma unroll
    for (int k = 0; k < width; ++k) z[k] = mean[k] + expf(logvar[k] / 2) * epsilon[k];
    store(a.z + i, z);
  }
};

void scale(const ReparameterizeForward& a, const float* noise, Stream stream) {
  const bool aligned = a.stride % 4 == 0 && all_aligned_to_16(a.mean, a.logvar, a.z, noise);
  launch_matrix_elements(a.rows, a.dims, aligned, ScaleAt{a, noise}, stream);
}

}  // namespace

// Whole calls; cuRAND, too, makes an even number of normals.
std::size_t noise_buffer_workspace(const ReparameterizeForward& a) {
  return sizeof(float4) * static_cast<std::size_t>(noise_calls(a));
}

void forward_noise_buffer(const ReparameterizeForward& a, Stream stream) {
  const std::int64_t calls = noise_calls(a);
  if (calls == 0) return;
  const auto blocks = static_cast<unsigned>(divide_up<std::int64_t>(calls, block));
  launch(make_noise, blocks, block, 0, stream, a.counter, a.operation, calls,
         static_cast<float4*>(a.workspace));
  scale(a, static_cast<const float*>(a.workspace), stream);
}

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

namespace {

// cuRAND's sequence goes on from call to call and cannot be made again, so no backward pass fits it: for comparison.
void forward_curand(const ReparameterizeForward& a, Stream stream) {
  if (noise_calls(a) == 0) return;
  Libraries* const libraries = libraries_of(stream);
  curandGenerator_t const generator = libraries == nullptr ? nullptr : libraries->curand();
  auto* const noise = static_cast<float*>(a.workspace);
  if (generator != nullptr &&
      succeeded(curandGenerateNormal(generator, noise, static_cast<std::size_t>(4 * noise_calls(a)), 0, 1),
                "curandGenerateNormal"))
    scale(a, noise, stream);
}

}  // namespace

Variants<ReparameterizeForward> reparameterize_forward_library_variants() {
  static constexpr Variant<ReparameterizeForward> variants[] = {
      {"curand",
       "the noise into memory by cuRAND, which is other noise; checked by its distribution",
       {forward_curand, noise_buffer_workspace},
       Precision::fp32,
       "cuRAND",
       true}};
  return variants;
}

#else

Variants<ReparameterizeForward> reparameterize_forward_library_variants() { return {}; }

#endif

}  // namespace cuelbo::kernels::cuda
