// The noise that reparameterize and concrete make, element by element: the definition every device is compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/philox.hpp"

namespace cuelbo::kernels::reference {

// Word i mod 4 of the Philox call of element i.
inline std::uint32_t noise_word(const StepCounter& counter, std::uint32_t operation, std::int64_t i) {
  const PhiloxCounter words = philox4x32_10({.x = static_cast<std::uint32_t>(i / 4),
                                             .y = static_cast<std::uint32_t>(counter.step),
                                             .z = static_cast<std::uint32_t>(counter.step >> 32),
                                             .w = operation},
                                            philox_key(counter.seed));
  switch (i % 4) {
    case 0: return words.x;
    case 1: return words.y;
    case 2: return words.z;
    default: return words.w;
  }
}

// In (0, 1); the same number in every precision.
template <class T>
T uniform(const StepCounter& counter, std::uint32_t operation, std::int64_t i) {
  return static_cast<T>(uniform_open(noise_word(counter, operation, i)));
}

// Standard normal by Box–Muller from the pair of words that holds element i: even elements the cosine, odd the sine.
template <class T>
T normal(const StepCounter& counter, std::uint32_t operation, std::int64_t i) {
  const std::int64_t even = i - i % 2;
  const T radius = std::sqrt(-2 * std::log(uniform<T>(counter, operation, even)));
  const T angle = 2 * std::numbers::pi_v<T> * uniform<T>(counter, operation, even + 1);
  return radius * (i == even ? std::cos(angle) : std::sin(angle));
}

// Standard Gumbel: −log(−log u).
template <class T>
T gumbel(const StepCounter& counter, std::uint32_t operation, std::int64_t i) {
  return -std::log(-std::log(uniform<T>(counter, operation, i)));
}

}  // namespace cuelbo::kernels::reference
