#include "models/data/random.hpp"

#include <algorithm>
#include <numeric>
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

std::vector<std::int64_t> draw_places(std::int64_t count, std::int64_t most, std::uint64_t seed) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(count));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  if (count <= most) return places;
  shuffle(places, seed, DataStream::evaluation, 0);
  places.resize(static_cast<std::size_t>(most));
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace cuelbo
