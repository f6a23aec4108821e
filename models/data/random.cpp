#include "models/data/random.hpp"

#include <utility>

namespace cuelbo {

void shuffle(std::span<std::int64_t> items, std::uint64_t seed, DataStream stream, std::uint32_t epoch) {
  const kernels::PhiloxKey key = stream_key(seed, stream);
  for (std::size_t left = items.size(); left > 1; --left) {
    const auto words = kernels::philox4x32_10({static_cast<std::uint32_t>(left), epoch, 0, 0}, key);
    const std::uint64_t uniform = static_cast<std::uint64_t>(words.x) << 32 | words.y;
    std::swap(items[left - 1], items[scale_to(uniform, left)]);
  }
}

}  // namespace cuelbo
