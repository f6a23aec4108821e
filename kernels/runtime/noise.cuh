// The noise of noise_reference.hpp, made in registers.
#pragma once

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/philox.hpp"

namespace cuelbo::kernels::cuda {

// The four words of elements 4·call … 4·call + 3.
__device__ inline PhiloxCounter noise_words(const StepCounter& counter, std::uint32_t operation,
                                            std::int64_t call) {
  return philox4x32_10({static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(counter.step),
                        static_cast<std::uint32_t>(counter.step >> 32), operation},
                       philox_key(counter.seed));
}

// Two standard normals of two words, by Box–Muller.
__device__ inline float2 normal_pair(std::uint32_t first, std::uint32_t second) {
  const float radius = sqrtf(-2 * logf(uniform_open(first)));
  float sine, cosine;
  sincospif(2 * uniform_open(second), &sine, &cosine);
  return make_float2(radius * cosine, radius * sine);
}

__device__ inline float4 normals(const StepCounter& counter, std::uint32_t operation, std::int64_t call) {
  const PhiloxCounter words = noise_words(counter, operation, call);
  const float2 a = normal_pair(words.x, words.y), b = normal_pair(words.z, words.w);
  return make_float4(a.x, a.y, b.x, b.y);
}

__device__ inline float gumbel(std::uint32_t word) { return -logf(-logf(uniform_open(word))); }

}  // namespace cuelbo::kernels::cuda
