// The part of CUDA C++ that device code uses, for g++: executed by block.hpp. Signatures are CUDA's; the added default
// argument notes the caller's line.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <vector_types.h>

#include "kernels/runtime/simt/block.hpp"
#include "kernels/runtime/simt/coordinates.hpp"
#include "kernels/runtime/simt/shared_memory.hpp"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's
#undef __shared__
#undef __launch_bounds__
#undef __grid_constant__
#if defined(__SANITIZE_ADDRESS__)
#define __shared__ static
#elif defined(__SANITIZE_THREAD__)  // checked/
// A gap between variables shows an index that runs from one array into the next.
#define CUELBO_JOIN_EXPANDED(a, b) a##b
#define CUELBO_JOIN(a, b) CUELBO_JOIN_EXPANDED(a, b)
#define __shared__                                                                                    \
  [[gnu::used]] static thread_local ::cuelbo::simt::Gap CUELBO_JOIN(shared_memory_gap_, __COUNTER__); \
  alignas(::cuelbo::simt::Gap) static thread_local
#else
#define __shared__ static thread_local
#endif
#define __launch_bounds__(...)
#define __grid_constant__

namespace cuelbo::simt {

struct alignas(256) Gap {
  std::byte bytes[256];
};

// The memory that an instruction of 16 bytes reads or writes.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

struct Shuffle {
  std::uint64_t value = 0, result = 0;
  int source = 0;  // lane of the warp
};

// Kind tells shuffles apart that must not meet: a shuffle down does not pair with a shuffle up.
enum class ShuffleKind { index, up, down, exclusive_or };

template <ShuffleKind>
void perform_shuffle(WarpCall* const lanes[warp_size], unsigned) {
  for (int lane = 0; lane < warp_size; ++lane) {
    if (lanes[lane] == nullptr) continue;
    auto& mine = *static_cast<Shuffle*>(lanes[lane]->operands);
    if (lanes[mine.source] == nullptr)
      lanes[lane]->complaint = "a shuffle from a lane that has exited or that its mask leaves out";
    else
      mine.result = static_cast<const Shuffle*>(lanes[mine.source]->operands)->value;
  }
}

template <ShuffleKind kind, class T>
T shuffle(unsigned mask, T value, int source, Location where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  Shuffle operands{.source = source};
  std::memcpy(&operands.value, &value, sizeof value);
  WarpCall call{.mask = mask, .perform = &perform_shuffle<kind>, .operands = &operands, .where = where};
  BlockRunner::current().warp_operation(call);
  std::memcpy(&value, &operands.result, sizeof value);
  return value;
}

// One value of each lane becomes one value for all: f(combined, value, lane).
template <class F>
struct Vote {
  static void perform(WarpCall* const lanes[warp_size], unsigned) {
    unsigned combined = F::start;
    for (int lane = 0; lane < warp_size; ++lane)
      if (lanes[lane] != nullptr)
        combined = F::combine(combined, *static_cast<unsigned*>(lanes[lane]->operands), lane);
    for (int lane = 0; lane < warp_size; ++lane)
      if (lanes[lane] != nullptr) *static_cast<unsigned*>(lanes[lane]->operands) = combined;
  }
  static unsigned run(unsigned mask, unsigned value, Location where) {
    WarpCall call{.mask = mask, .perform = &perform, .operands = &value, .where = where};
    BlockRunner::current().warp_operation(call);
    return value;
  }
};
struct Ballot {
  static constexpr unsigned start = 0;
  static unsigned combine(unsigned all, unsigned v, int lane) { return all | (v != 0 ? 1U << lane : 0U); }
};
struct ReduceAdd {
  static constexpr unsigned start = 0;
  static unsigned combine(unsigned all, unsigned v, int) { return all + v; }
};
struct ReduceMax {
  static constexpr unsigned start = 0;
  static unsigned combine(unsigned all, unsigned v, int) { return all > v ? all : v; }
};
struct ReduceMin {
  static constexpr unsigned start = ~0U;
  static unsigned combine(unsigned all, unsigned v, int) { return all < v ? all : v; }
};
struct Meet {  // no value: __syncwarp
  static constexpr unsigned start = 0;
  static unsigned combine(unsigned, unsigned, int) { return 0; }
};

// Blocks run on several OS threads, so atomics of global memory are real ones.
template <bool reads = true, class T, class F>
CUELBO_NOT_OBSERVED T atomic_update(T* address, F&& f) {
  using B = Bits<T>;
  static_assert(sizeof(T) == sizeof(B));
  if (observer != nullptr) observer->atomic(address, sizeof(T), reads, __builtin_return_address(0));
  auto* const cell = reinterpret_cast<B*>(address);
  B old = __atomic_load_n(cell, __ATOMIC_RELAXED), updated;
  do {
    updated = std::bit_cast<B>(f(std::bit_cast<T>(old)));
  } while (!__atomic_compare_exchange_n(cell, &old, updated, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return std::bit_cast<T>(old);
}

}  // namespace cuelbo::simt

#define CUELBO_HERE ::cuelbo::simt::Location where = {__builtin_FILE(), __builtin_LINE()}

// ---- barriers and fences

inline void __syncthreads(CUELBO_HERE) { ::cuelbo::simt::BlockRunner::current().barrier(where); }
inline void __syncwarp(unsigned mask = ~0U, CUELBO_HERE) {
  ::cuelbo::simt::Vote<::cuelbo::simt::Meet>::run(mask, 0, where);
}
__forceinline__ void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() {}

// ---- warp operations

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUELBO_HERE) {
  const int lane = ::cuelbo::simt::BlockRunner::current().lane();
  return ::cuelbo::simt::shuffle<::cuelbo::simt::ShuffleKind::index>(
      mask, value, (lane & ~(width - 1)) | (source & (width - 1)), where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CUELBO_HERE) {
  const int lane = ::cuelbo::simt::BlockRunner::current().lane(), from = lane - static_cast<int>(delta);
  return ::cuelbo::simt::shuffle<::cuelbo::simt::ShuffleKind::up>(
      mask, value, from < (lane & ~(width - 1)) ? lane : from, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, CUELBO_HERE) {
  const int lane = ::cuelbo::simt::BlockRunner::current().lane(), from = lane + static_cast<int>(delta);
  return ::cuelbo::simt::shuffle<::cuelbo::simt::ShuffleKind::down>(
      mask, value, from > (lane | (width - 1)) ? lane : from, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, CUELBO_HERE) {
  const int lane = ::cuelbo::simt::BlockRunner::current().lane(), from = lane ^ lane_mask;
  return ::cuelbo::simt::shuffle<::cuelbo::simt::ShuffleKind::exclusive_or>(
      mask, value, from > (lane | (width - 1)) ? lane : from, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, CUELBO_HERE) {
  return ::cuelbo::simt::Vote<::cuelbo::simt::Ballot>::run(mask, static_cast<unsigned>(predicate != 0),
                                                           where);
}
inline int __any_sync(unsigned mask, int predicate, CUELBO_HERE) {
  return static_cast<int>(__ballot_sync(mask, predicate, where) != 0);
}
inline int __all_sync(unsigned mask, int predicate, CUELBO_HERE) {
  return static_cast<int>(__ballot_sync(mask, static_cast<int>(predicate == 0), where) == 0);
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, CUELBO_HERE) {
  return ::cuelbo::simt::Vote<::cuelbo::simt::ReduceAdd>::run(mask, value, where);
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value, CUELBO_HERE) {
  return ::cuelbo::simt::Vote<::cuelbo::simt::ReduceMax>::run(mask, value, where);
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value, CUELBO_HERE) {
  return ::cuelbo::simt::Vote<::cuelbo::simt::ReduceMin>::run(mask, value, where);
}
inline unsigned __activemask(CUELBO_HERE) {
  return ::cuelbo::simt::BlockRunner::current().active_lanes(where);
}

#undef CUELBO_HERE

// ---- atomics

template <class T>
__forceinline__ T atomicAdd(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
__forceinline__ T atomicMax(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return old > value ? old : value; });
}
template <class T>
__forceinline__ T atomicMin(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return old < value ? old : value; });
}
template <class T>
__forceinline__ T atomicExch(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update<false>(address, [=](T) { return value; });
}
template <class T>
__forceinline__ T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return old == compare ? value : old; });
}
// Wraps to 0 after `last`, as CUDA's does.
__forceinline__ unsigned atomicInc(unsigned* address, unsigned last) {
  return ::cuelbo::simt::atomic_update(address, [=](unsigned old) { return old >= last ? 0U : old + 1; });
}

// ---- loads, bits and arithmetic

template <class T>
__forceinline__ T __ldg(const T* address) {
  return *address;
}
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(std::uint64_t{a} * b >> 32); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0F / sqrtf(x); }
inline float sinpif(float x) { return static_cast<float>(std::sin(3.14159265358979323846 * x)); }
inline float cospif(float x) { return static_cast<float>(std::cos(3.14159265358979323846 * x)); }
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = sinpif(x);
  *cosine = cospif(x);
}

template <class T>
  requires std::is_arithmetic_v<T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
  requires std::is_arithmetic_v<T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

// NOLINTEND(bugprone-reserved-identifier)

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)  // clang-tidy reads the C library's
#include "kernels/runtime/simt/checked/copies.hpp"
#endif
