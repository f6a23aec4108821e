// Random choices of the data side. Each is a pure function of the seed, a stream that keeps uses apart, and the item
// or epoch that it is for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/runtime/philox.hpp"

namespace cuelbo {

enum class DataStream : std::uint32_t { split = 1, shuffle = 2, binarize = 3, evaluation = 4 };

// A separate key for each stream of a seed, different from the noise that kernels make from the same seed.
constexpr kernels::PhiloxKey stream_key(std::uint64_t seed, DataStream stream) {
  const auto words = kernels::philox4x32_10({static_cast<std::uint32_t>(stream), 0x64617461, 0, 0},
                                            kernels::philox_key(seed));
  return {words.x, words.y};
}

// A number in [0, count) from a uniform 64-bit one; count below 2^32.
constexpr std::uint64_t scale_to(std::uint64_t uniform, std::uint64_t count) {
  return ((uniform >> 32) * count + ((uniform & 0xffffffff) * count >> 32)) >> 32;
}

// Puts the items in an order that depends on the seed, the stream and the epoch alone (Fisher–Yates).
void shuffle(std::span<std::int64_t> items, std::uint64_t seed, DataStream stream, std::uint32_t epoch);

// At most `most` of the places 0 … count − 1, drawn by the seed, in ascending order. In sorted data the first ones would all be of
// one class.
std::vector<std::int64_t> draw_places(std::int64_t count, std::int64_t most, std::uint64_t seed);

}  // namespace cuelbo
