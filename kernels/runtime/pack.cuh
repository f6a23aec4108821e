// Neighbouring floats that one instruction loads or stores: four of them are 16 bytes, as much as a thread can move at once.
#pragma once

#include <type_traits>

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels::cuda {

template <int width>
struct alignas(sizeof(float) * width) Pack {
  float v[width];
  __device__ float& operator[](int k) { return v[k]; }
  __device__ float operator[](int k) const { return v[k]; }
};

template <int width>
__device__ inline Pack<width> load(const float* p) {
  return *reinterpret_cast<const Pack<width>*>(p);
}
template <int width>
__device__ inline void store(float* p, const Pack<width>& x) {
  *reinterpret_cast<Pack<width>*>(p) = x;
}

// True of null.
inline bool aligned_to_16(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }
template <class... Pointers>
bool all_aligned_to_16(Pointers... pointers) {
  return (aligned_to_16(pointers) && ...);
}

// Calls f with the pack width, as a type: packs of four where memory allows them, else single elements. For kernels whose
// results do not depend on the width.
template <class F>
void with_width(bool four, F&& f) {
  if (four) {
    f(std::integral_constant<int, 4>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

// For kernels whose results depend on the width, as sums do: the shape chooses it, and pointers only whether a pack moves
// at once.
template <int n, bool at_once>
struct Access {
  static constexpr int width = n;

  __device__ static Pack<n> load(const float* p) {
    if constexpr (at_once) {
      return cuda::load<n>(p);
    } else {
      Pack<n> x;
#pragma unroll
      for (int k = 0; k < n; ++k) x[k] = p[k];
      return x;
    }
  }
  __device__ static void store(float* p, const Pack<n>& x) {
    if constexpr (at_once) {
      cuda::store(p, x);
    } else {
#pragma unroll
      for (int k = 0; k < n; ++k) p[k] = x[k];
    }
  }
};

template <class F>
void with_access(bool four, bool aligned, F&& f) {
  if (!four) {
    f(Access<1, true>{});
  } else if (aligned) {
    f(Access<4, true>{});
  } else {
    f(Access<4, false>{});
  }
}

}  // namespace cuelbo::kernels::cuda
