// Functions of CUDA C++ that users' files may call and our kernels (device.hpp) do not.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/runtime/simt/device.hpp"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's

// ---- atomics

template <class T>
__forceinline__ T atomicSub(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return static_cast<T>(old - value); });
}
template <class T>
__forceinline__ T atomicAnd(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return static_cast<T>(old & value); });
}
template <class T>
__forceinline__ T atomicOr(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
__forceinline__ T atomicXor(T* address, std::type_identity_t<T> value) {
  return ::cuelbo::simt::atomic_update(address, [=](T old) { return static_cast<T>(old ^ value); });
}
// Wraps to `last` below 0, and from beyond it.
__forceinline__ unsigned atomicDec(unsigned* address, unsigned last) {
  return ::cuelbo::simt::atomic_update(address,
                                       [=](unsigned old) { return old == 0 || old > last ? last : old - 1; });
}

// ---- barriers that count, and warp operations

namespace cuelbo::simt {

// The votes of the block that runs on this OS thread, plus 1: for the reason see coordinates.hpp.
inline constinit thread_local int barrier_votes = 1;

CUELBO_NOT_OBSERVED inline int count_at_barrier(bool vote, Location where) {
  barrier_votes += static_cast<int>(vote);
  BlockRunner::current().barrier(where);
  const int count = barrier_votes - 1;
  BlockRunner::current().barrier(where);
  barrier_votes = 1;
  BlockRunner::current().barrier(where);
  return count;
}

template <class T>
struct Match {
  T value;
  unsigned equal = 0;
  static void perform(WarpCall* const lanes[warp_size], unsigned) {
    for (int a = 0; a < warp_size; ++a)
      for (int b = 0; b < warp_size && lanes[a] != nullptr; ++b)
        if (lanes[b] != nullptr &&
            static_cast<Match*>(lanes[a]->operands)->value == static_cast<Match*>(lanes[b]->operands)->value)
          static_cast<Match*>(lanes[a]->operands)->equal |= 1U << b;
  }
};

}  // namespace cuelbo::simt

#define CUELBO_HERE ::cuelbo::simt::Location where = {__builtin_FILE(), __builtin_LINE()}

inline int __syncthreads_count(int predicate, CUELBO_HERE) {
  return ::cuelbo::simt::count_at_barrier(predicate != 0, where);
}
inline int __syncthreads_or(int predicate, CUELBO_HERE) {
  return static_cast<int>(::cuelbo::simt::count_at_barrier(predicate != 0, where) > 0);
}
inline int __syncthreads_and(int predicate, CUELBO_HERE) {
  return static_cast<int>(::cuelbo::simt::count_at_barrier(predicate == 0, where) == 0);
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, CUELBO_HERE) {
  ::cuelbo::simt::Match<T> operands{value};
  ::cuelbo::simt::WarpCall call{
      .mask = mask, .perform = &::cuelbo::simt::Match<T>::perform, .operands = &operands, .where = where};
  ::cuelbo::simt::BlockRunner::current().warp_operation(call);
  return operands.equal;
}

[[noreturn]] inline void __trap(CUELBO_HERE) {
  ::cuelbo::simt::BlockRunner::current().fail(where, "__trap()");
}

#undef CUELBO_HERE

inline void __threadfence_system() { __threadfence(); }

// ---- loads and stores with hints to the caches

template <class T>
__forceinline__ T __ldcg(const T* address) {
  return *address;
}
template <class T>
__forceinline__ T __ldcs(const T* address) {
  return *address;
}
template <class T>
__forceinline__ void __stcg(T* address, std::type_identity_t<T> value) {
  *address = value;
}
template <class T>
__forceinline__ void __stcs(T* address, std::type_identity_t<T> value) {
  *address = value;
}

// ---- bits and arithmetic; the fast forms are as exact as the others here

inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffsll(long long x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1;
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1U) << (31 - bit);
  return reversed;
}
inline int __mul24(int a, int b) { return a * b; }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0F), 1.0F); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __exp10f(float x) { return powf(10.0F, x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frcp_rn(float x) { return 1.0F / x; }
inline float __frsqrt_rn(float x) { return 1.0F / std::sqrt(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __mulhi(int a, int b) { return static_cast<int>(std::int64_t{a} * b >> 32); }
inline unsigned __umul24(unsigned a, unsigned b) { return a * b; }
// Averages, rounded down or up; cuda_fp16.h overloads __hadd.
inline int __hadd(int a, int b) { return static_cast<int>((std::int64_t{a} + b) >> 1); }
inline int __rhadd(int a, int b) { return static_cast<int>((std::int64_t{a} + b + 1) >> 1); }
inline unsigned __uhadd(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} + b) >> 1); }
inline unsigned __urhadd(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} + b + 1) >> 1);
}
inline unsigned __sad(int a, int b, unsigned c) {
  return (a < b ? static_cast<unsigned>(b) - static_cast<unsigned>(a)
                : static_cast<unsigned>(a) - static_cast<unsigned>(b)) +
         c;
}
inline unsigned __usad(unsigned a, unsigned b, unsigned c) { return (a < b ? b - a : a - b) + c; }
namespace cuelbo::simt {
template <class Byte, class Integer>
Integer add_products_of_bytes(Integer a, Integer b, Integer c) {
  auto sum = static_cast<unsigned>(c);
  for (int shift = 0; shift < 32; shift += 8)
    sum += static_cast<unsigned>(static_cast<Byte>(a >> shift) * static_cast<Byte>(b >> shift));
  return static_cast<Integer>(sum);
}
}  // namespace cuelbo::simt
inline int __dp4a(int a, int b, int c) { return ::cuelbo::simt::add_products_of_bytes<signed char>(a, b, c); }
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  return ::cuelbo::simt::add_products_of_bytes<unsigned char>(a, b, c);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>(((std::uint64_t{high} << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned choice = selector >> 4 * i & 0xf;
    unsigned byte = static_cast<unsigned>(bytes >> 8 * (choice & 7)) & 0xff;
    if ((choice & 8) != 0) byte = byte >= 0x80 ? 0xff : 0;  // its sign
    result |= byte << 8 * i;
  }
  return result;
}
// To integers with saturation, NaN to 0: _rn to the nearest, ties to even, _rz towards 0, _rd down, _ru up.
namespace cuelbo::simt {
template <class Integer, class Real>
Integer saturated(Real rounded) {
  constexpr auto least = std::numeric_limits<Integer>::min(), most = std::numeric_limits<Integer>::max();
  if (std::isnan(rounded)) return 0;
  if (rounded <= static_cast<Real>(least)) return least;
  return rounded >= static_cast<Real>(most) ? most : static_cast<Integer>(rounded);
}
}  // namespace cuelbo::simt
#define CUELBO_TO_INTEGER(From, from, To, to)                                                         \
  inline To __##from##2##to##_rn(From x) { return ::cuelbo::simt::saturated<To>(std::nearbyint(x)); } \
  inline To __##from##2##to##_rz(From x) { return ::cuelbo::simt::saturated<To>(std::trunc(x)); }     \
  inline To __##from##2##to##_rd(From x) { return ::cuelbo::simt::saturated<To>(std::floor(x)); }     \
  inline To __##from##2##to##_ru(From x) { return ::cuelbo::simt::saturated<To>(std::ceil(x)); }
CUELBO_TO_INTEGER(float, float, int, int)
CUELBO_TO_INTEGER(float, float, unsigned, uint)
CUELBO_TO_INTEGER(float, float, long long, ll)
CUELBO_TO_INTEGER(float, float, unsigned long long, ull)
CUELBO_TO_INTEGER(double, double, int, int)
CUELBO_TO_INTEGER(double, double, unsigned, uint)
CUELBO_TO_INTEGER(double, double, long long, ll)
CUELBO_TO_INTEGER(double, double, unsigned long long, ull)
#undef CUELBO_TO_INTEGER
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline double __int2double_rn(int x) { return x; }
inline float __double2float_rn(double x) { return static_cast<float>(x); }
inline void __nanosleep(unsigned) {}
inline float norm3df(float x, float y, float z) { return std::hypot(x, y, z); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

// NOLINTEND(bugprone-reserved-identifier)
