// A CUDA variant of a kernel, and the ladder of its variants: from the obvious one (0) to the best, then other precisions
// and libraries.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "kernels/runtime/kernel.hpp"

namespace cuelbo::kernels {

template <class Args>
struct Variant {
  const char* name;         // as in `linear_forward/tiled`
  const char* description;  // in one line, what sets it apart and what that is to gain
  Kernel<Args> kernel;
  Precision precision = Precision::fp32;
  const char* library =
      nullptr;             // whose kernel it calls, as "cuBLAS": for comparison; not executed on the CPU
  bool own_noise = false;  // draws other noise than the contract says: comparable by its distribution only
};

template <class Args>
using Variants = std::span<const Variant<Args>>;

// One ladder out of the parts of several files.
template <class Args>
std::vector<Variant<Args>> joined(std::initializer_list<Variants<Args>> parts) {
  std::vector<Variant<Args>> all;
  for (const Variants<Args> part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Our own fp32 variants come first; programs use the last of them.
template <class Args>
std::size_t fp32_count(Variants<Args> variants) {
  std::size_t n = 0;
  while (n < variants.size() && variants[n].precision == Precision::fp32 && variants[n].library == nullptr)
    ++n;
  return n;
}

}  // namespace cuelbo::kernels
