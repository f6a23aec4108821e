#include "models/random_values.hpp"

#include <array>
#include <cmath>

#include "kernels/runtime/philox.hpp"

namespace cuelbo {

std::vector<float> uniform_values(std::uint64_t seed, std::string_view name, std::int64_t count,
                                  float bound) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: a stream of its own for each name
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const auto words =
        kernels::philox4x32_10({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(hash),
                                static_cast<std::uint32_t>(hash >> 32), 0x696e6974},
                               kernels::philox_key(seed));
    const std::array<std::uint32_t, 4> word{words.x, words.y, words.z, words.w};
    for (std::size_t j = 0; j < 4 && i + j < values.size(); ++j)
      values[i + j] = bound * (2 * kernels::uniform_open(word[j]) - 1);
  }
  return values;
}

std::vector<float> standard_normal(std::uint64_t seed, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const auto words = kernels::philox4x32_10(
        {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(std::uint64_t{i} >> 32), 0, 0x636f6465},
        kernels::philox_key(seed));
    const double radius = std::sqrt(-2 * std::log(static_cast<double>(kernels::uniform_open(words.x))));
    const double angle = 6.283185307179586 * static_cast<double>(kernels::uniform_open(words.y));
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

}  // namespace cuelbo
