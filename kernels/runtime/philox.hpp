// Philox4x32-10, a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
// 3"): the same counter and key give the same four words on every device. The same source serves host and
// device code; it is always inlined, so that no copy of it is shared between instruction sets.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define CUELBO_PHILOX_FUNCTION __host__ __device__ __forceinline__ constexpr
#else
#define CUELBO_PHILOX_FUNCTION [[gnu::always_inline]] inline constexpr
#endif

namespace cuelbo::kernels {

struct PhiloxCounter {
  std::uint32_t x = 0, y = 0, z = 0, w = 0;
  friend constexpr bool operator==(const PhiloxCounter&, const PhiloxCounter&) = default;
};

struct PhiloxKey {
  std::uint32_t x = 0, y = 0;
  friend constexpr bool operator==(const PhiloxKey&, const PhiloxKey&) = default;
};

// The key of a 64-bit seed: low word, high word.
CUELBO_PHILOX_FUNCTION PhiloxKey philox_key(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

// Four words for a counter: a bijection of the counters for each key.
CUELBO_PHILOX_FUNCTION PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter.x;
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter.z;
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter.y ^ key.x, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter.w ^ key.y, static_cast<std::uint32_t>(a)};
    key.x += 0x9E3779B9;
    key.y += 0xBB67AE85;
  }
  return counter;
}

// A word as a number in the open interval (0, 1): the middle of one of 2^23 equal cells, exact in fp32.
CUELBO_PHILOX_FUNCTION float uniform_open(std::uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5F) * 0x1p-23F;
}

}  // namespace cuelbo::kernels

#undef CUELBO_PHILOX_FUNCTION
