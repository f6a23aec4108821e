// The noise of noise_reference.hpp, made by vectors: lane k runs the Philox call of elements 4k … 4k + 3 of a block.
#pragma once

#include <cstdint>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/philox.hpp"
#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr int noise_block = 4 * lanes;

// Identifies noise: the part of counter and key that all elements of one kernel call share.
struct NoiseSource {
  PhiloxKey key;
  std::uint32_t step_low, step_high, operation;
};

CUELBO_INLINE NoiseSource noise_source(const StepCounter& counter, std::uint32_t operation) {
  return {.key = philox_key(counter.seed),
          .step_low = static_cast<std::uint32_t>(counter.step),
          .step_high = static_cast<std::uint32_t>(counter.step >> 32),
          .operation = operation};
}

namespace noise_detail {

typedef std::uint64_t vulong __attribute__((vector_size(4 * lanes)));  // lanes / 2 of them

// The 64-bit products of the even 32-bit lanes with a word.
CUELBO_INLINE vulong multiply_even(vuint a, std::uint32_t factor) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vulong>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a),
                                                         reinterpret_cast<__m512i>(broadcast_uint(factor))));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vulong>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(broadcast_uint(factor))));
#elif defined(CUELBO_SSE2)
  return reinterpret_cast<vulong>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(broadcast_uint(factor))));
#else
  return (reinterpret_cast<vulong>(a) & 0xffffffffU) * factor;
#endif
}

struct Product {
  vuint high, low;
};

CUELBO_INLINE Product multiply(vuint a, std::uint32_t factor) {
  const vulong even = multiply_even(a, factor);
  const vulong odd = multiply_even(reinterpret_cast<vuint>(reinterpret_cast<vulong>(a) >> 32), factor);
  const vint is_odd = (iota() & 1) != 0;
  return {.high = is_odd ? reinterpret_cast<vuint>(odd) : reinterpret_cast<vuint>(even >> 32),
          .low = is_odd ? reinterpret_cast<vuint>(odd << 32) : reinterpret_cast<vuint>(even)};
}

// a0 b0 a1 b1 …, of the lower and of the upper halves.
CUELBO_INLINE vfloat interleave_low(vfloat a, vfloat b) {
  return __builtin_shuffle(a, b, (iota() >> 1) + (iota() & 1) * lanes);
}
CUELBO_INLINE vfloat interleave_high(vfloat a, vfloat b) {
  return __builtin_shuffle(a, b, lanes / 2 + (iota() >> 1) + (iota() & 1) * lanes);
}

}  // namespace noise_detail

// One number for each word of the Philox calls of a block.
struct NoiseBlock {
  vfloat x, y, z, w;
};

// Uniform numbers in (0, 1) for elements first … first + noise_block - 1; first is a multiple of 4.
CUELBO_INLINE NoiseBlock uniform_block(const NoiseSource& source, std::int64_t first) {
  using namespace noise_detail;
  vuint x = reinterpret_cast<vuint>(iota()) + static_cast<std::uint32_t>(first / 4);
  vuint y = broadcast_uint(source.step_low), z = broadcast_uint(source.step_high),
        w = broadcast_uint(source.operation);
  PhiloxKey key = source.key;
  for (int round = 0; round < 10; ++round) {
    const Product a = multiply(x, 0xD2511F53), b = multiply(z, 0xCD9E8D57);
    x = b.high ^ y ^ key.x;
    y = b.low;
    z = a.high ^ w ^ key.y;
    w = a.low;
    key.x += 0x9E3779B9;
    key.y += 0xBB67AE85;
  }
  const auto open = [](vuint word) {
    return (to_float(reinterpret_cast<vint>(word >> 9)) + 0.5F) * 0x1p-23F;
  };
  return {open(x), open(y), open(z), open(w)};
}

// Standard normals by Box–Muller.
CUELBO_INLINE NoiseBlock normal_block(const NoiseSource& source, std::int64_t first) {
  const NoiseBlock u = uniform_block(source, first);
  const auto pair = [](vfloat u0, vfloat u1, vfloat& cosine, vfloat& sine) {
    sincos_2pi(u1, sine, cosine);
    const vfloat radius = sqrt(-2.0F * log(u0));
    cosine *= radius;
    sine *= radius;
  };
  NoiseBlock n;
  pair(u.x, u.y, n.x, n.y);
  pair(u.z, u.w, n.z, n.w);
  return n;
}

// Standard Gumbel variables.
CUELBO_INLINE NoiseBlock gumbel_block(const NoiseSource& source, std::int64_t first) {
  const NoiseBlock u = uniform_block(source, first);
  const auto gumbel = [](vfloat x) { return -log(-log(x)); };
  return {gumbel(u.x), gumbel(u.y), gumbel(u.z), gumbel(u.w)};
}

// Stores a block in the order of its elements.
CUELBO_INLINE void store_block(float* out, const NoiseBlock& block) {
  using namespace noise_detail;
  const vfloat a = interleave_low(block.x, block.z), b = interleave_low(block.y, block.w);
  const vfloat c = interleave_high(block.x, block.z), d = interleave_high(block.y, block.w);
  store(out, interleave_low(a, b));
  store(out + lanes, interleave_high(a, b));
  store(out + 2 * lanes, interleave_low(c, d));
  store(out + 3 * lanes, interleave_high(c, d));
}

// out[i − begin] = noise of element i for i in [begin, end); make(source, first) makes a block.
template <class F>
CUELBO_INLINE void fill_noise(const NoiseSource& source, std::int64_t begin, std::int64_t end, float* out,
                              F&& make) {
  for (std::int64_t first = begin - begin % 4; first < end; first += noise_block) {
    const NoiseBlock block = make(source, first);
    if (first >= begin && first + noise_block <= end) {
      store_block(out + (first - begin), block);
    } else {
      float edge[noise_block];
      store_block(edge, block);
      for (int k = 0; k < noise_block; ++k) {
        if (first + k >= begin && first + k < end) out[first + k - begin] = edge[k];
      }
    }
  }
}

}  // namespace cuelbo::kernels::CUELBO_ISA
