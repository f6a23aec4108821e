// Vectors of floats for the *_cpu.cpp files, which are compiled once for each instruction set: one source, 16, 8 or 4
// lanes. Everything here has internal linkage, so that no path's code can stand in for another's.
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define CUELBO_INLINE [[maybe_unused, gnu::always_inline]] static inline

// The intrinsics to use. With CUELBO_EMULATE_AVX512 none: the compiler emulates 16 lanes, for tests of that path on a
// CPU without AVX-512. Results are the same to the bit.
#if defined(CUELBO_EMULATE_AVX512)
#elif defined(__AVX512F__)
#define CUELBO_AVX512 1
#elif defined(__AVX2__)
#define CUELBO_AVX2 1
#elif defined(__x86_64__)
#define CUELBO_SSE2 1
#endif

// Where an intrinsic's plain form makes g++ 12 warn about its own undefined operand, the maskz form with all bits set
// is used: the same instruction.

namespace cuelbo::kernels::CUELBO_ISA {

#if defined(CUELBO_AVX512) || defined(CUELBO_EMULATE_AVX512)
inline constexpr int lanes = 16;
#elif defined(CUELBO_AVX2)
inline constexpr int lanes = 8;
#else
inline constexpr int lanes = 4;
#endif

inline constexpr bool has_fma = lanes > 4;

typedef float vfloat __attribute__((vector_size(4 * lanes)));
typedef std::int32_t vint
    __attribute__((vector_size(4 * lanes)));  // also the mask that a comparison gives: 0 or -1
typedef std::uint32_t vuint __attribute__((vector_size(4 * lanes)));

CUELBO_INLINE vfloat broadcast(float x) { return x - vfloat{}; }  // x - 0 is x, also for -0
CUELBO_INLINE vint broadcast_int(std::int32_t x) { return vint{} + x; }
CUELBO_INLINE vuint broadcast_uint(std::uint32_t x) { return vuint{} + x; }

CUELBO_INLINE vint as_int(vfloat x) { return reinterpret_cast<vint>(x); }
CUELBO_INLINE vint is_nan(vfloat x) { return x != x; }  // NOLINT(misc-redundant-expression)
CUELBO_INLINE vuint as_uint(vfloat x) { return reinterpret_cast<vuint>(x); }
CUELBO_INLINE vfloat as_float(vint x) { return reinterpret_cast<vfloat>(x); }
CUELBO_INLINE vfloat as_float(vuint x) { return reinterpret_cast<vfloat>(x); }
CUELBO_INLINE vfloat to_float(vint x) { return __builtin_convertvector(x, vfloat); }

// 0, 1, 2, …
CUELBO_INLINE vint iota() {
  vint i{};
  for (int lane = 0; lane < lanes; ++lane) i[lane] = lane;
  return i;
}

CUELBO_INLINE vfloat load(const float* p) {
  typedef float unaligned __attribute__((vector_size(4 * lanes), aligned(4), may_alias));
  return *reinterpret_cast<const unaligned*>(p);
}
CUELBO_INLINE void store(float* p, vfloat x) {
  typedef float unaligned __attribute__((vector_size(4 * lanes), aligned(4), may_alias));
  *reinterpret_cast<unaligned*>(p) = x;
}

// The first n of `lanes` elements, 0 ≤ n ≤ lanes; memory behind them is not touched, and loads fill up with 0.
CUELBO_INLINE vfloat load_partial(const float* p, int n) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vfloat>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vfloat>(_mm256_maskload_ps(p, reinterpret_cast<__m256i>(iota() < n)));
#else
  vfloat x{};
  for (int lane = 0; lane < lanes; ++lane)
    if (lane < n) x[lane] = p[lane];
  return x;
#endif
}
CUELBO_INLINE void store_partial(float* p, vfloat x, int n) {
#if defined(CUELBO_AVX512)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1U), reinterpret_cast<__m512>(x));
#elif defined(CUELBO_AVX2)
  _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(iota() < n), reinterpret_cast<__m256>(x));
#else
  for (int lane = 0; lane < lanes; ++lane)
    if (lane < n) p[lane] = x[lane];
#endif
}

// a·b + c; rounded once, except on the baseline path.
CUELBO_INLINE vfloat fma(vfloat a, vfloat b, vfloat c) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vfloat>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vfloat>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(CUELBO_EMULATE_AVX512)
  for (int lane = 0; lane < lanes; ++lane) c[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
  return c;
#else
  return a * b + c;
#endif
}

// bf16: the upper half of a float. Rounds to nearest, ties to even; the lower half is left as it comes.
CUELBO_INLINE vuint round_to_bf16(vfloat x) {
  const vuint bits = as_uint(x);
  const vuint rounded = bits + 0x7fffU + ((bits >> 16) & 1U);
  return is_nan(x) ? bits | 0x00400000U : rounded;
}
// Two bf16 in each lane.
CUELBO_INLINE vfloat bf16_pair(vfloat low, vfloat high) {
  return as_float((round_to_bf16(low) >> 16) | (round_to_bf16(high) & 0xffff0000U));
}
CUELBO_INLINE vfloat bf16_low(vfloat pair) { return as_float(as_uint(pair) << 16); }
CUELBO_INLINE vfloat bf16_high(vfloat pair) { return as_float(as_uint(pair) & 0xffff0000U); }

// sum + Σ of the products of both bf16 of each lane, in fp32, high ones first: what VDPBF16PS does, except that it takes
// subnormal numbers for zero.
CUELBO_INLINE vfloat dot_bf16(vfloat a, vfloat b, vfloat sum) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<vfloat>(_mm512_dpbf16_ps(
      reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)));
#else
  return fma(bf16_low(a), bf16_low(b), fma(bf16_high(a), bf16_high(b), sum));
#endif
}

CUELBO_INLINE vfloat select(vint mask, vfloat a, vfloat b) { return mask ? a : b; }
CUELBO_INLINE vint select(vint mask, vint a, vint b) { return mask ? a : b; }

// Bit i tells whether lane i of a mask is set.
CUELBO_INLINE std::uint32_t mask_bits(vint mask) {
#if defined(CUELBO_AVX512)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
#elif defined(CUELBO_AVX2)
  return static_cast<std::uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#elif defined(CUELBO_SSE2)
  return static_cast<std::uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask)));
#else
  std::uint32_t bits = 0;
  for (int lane = 0; lane < lanes; ++lane) bits |= mask[lane] != 0 ? 1U << lane : 0U;
  return bits;
#endif
}

// a > b ? a : b, and likewise: the second argument if either is NaN. To keep a NaN of x, write vmax(bound, x).
CUELBO_INLINE vfloat vmax(vfloat a, vfloat b) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vfloat>(
      _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vfloat>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#else
  return a > b ? a : b;
#endif
}
CUELBO_INLINE vfloat vmin(vfloat a, vfloat b) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vfloat>(
      _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vfloat>(_mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#else
  return a < b ? a : b;
#endif
}

CUELBO_INLINE vfloat abs(vfloat x) { return as_float(as_int(x) & 0x7fffffff); }
CUELBO_INLINE vfloat copysign(vfloat magnitude, vfloat sign) {
  return as_float((as_int(magnitude) & 0x7fffffff) | (as_int(sign) & INT32_MIN));
}

CUELBO_INLINE vfloat sqrt(vfloat x) {
#if defined(CUELBO_AVX512)
  return reinterpret_cast<vfloat>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(x)));
#elif defined(CUELBO_AVX2)
  return reinterpret_cast<vfloat>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#elif defined(CUELBO_SSE2)
  return reinterpret_cast<vfloat>(_mm_sqrt_ps(reinterpret_cast<__m128>(x)));
#else
  for (int lane = 0; lane < lanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
#endif
}

// Trees of a fixed form: halves are folded onto each other.
CUELBO_INLINE float reduce_add(vfloat x) {
  for (int half = lanes / 2; half > 0; half /= 2) {
    const vfloat upper = __builtin_shuffle(x, (iota() + half) & (lanes - 1));
    x += upper;
  }
  return x[0];
}
CUELBO_INLINE float reduce_max(vfloat x) {
  for (int half = lanes / 2; half > 0; half /= 2) {
    const vfloat upper = __builtin_shuffle(x, (iota() + half) & (lanes - 1));
    x = vmax(x, upper);
  }
  return x[0];
}

namespace simd_detail {

// Adding it rounds to the nearest integer and leaves that integer in the low bits of the sum.
inline constexpr float round_magic = 12582912.0F;  // 1.5 · 2²³
inline constexpr float log2_e = 1.44269504088896341F;
inline constexpr float ln2 = 0.693147180559945309F;
inline constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;  // Cody and Waite

CUELBO_INLINE vfloat power_of_two(vint n) { return as_float((n + 127) << 23); }  // -126 ≤ n ≤ 127

// Polynomials: coefficients from the highest power down, by Horner's rule.
CUELBO_INLINE vfloat polynomial(vfloat, vfloat value) { return value; }
template <class... Rest>
CUELBO_INLINE vfloat polynomial(vfloat x, vfloat value, float next, Rest... rest) {
  return polynomial(x, fma(value, x, broadcast(next)), rest...);
}

}  // namespace simd_detail

// eˣ for every x, within 2 units in the last place; subnormal results included.
CUELBO_INLINE vfloat exp(vfloat x) {
  using namespace simd_detail;
  x = vmin(broadcast(89.0F), vmax(broadcast(-105.0F), x));
  const vfloat shifted = fma(x, broadcast(log2_e), broadcast(round_magic));
  const vfloat n = shifted - round_magic;
  const vfloat r = fma(n, broadcast(-ln2_low), fma(n, broadcast(-ln2_high), x));
  const vfloat q = polynomial(r, broadcast(1.9875691500e-4F), 1.3981999507e-3F, 8.3334519073e-3F,
                              4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F);
  const vfloat p = fma(q, r * r, r) + 1.0F;
  // The exponent in two parts: n reaches from -151 to 128.
  const vint exponent = as_int(shifted) - as_int(broadcast(round_magic));
  const vint half = exponent >> 1;
  const vfloat y = p * power_of_two(half) * power_of_two(exponent - half);
  return select(is_nan(x), x, y);
}

// eˣ for x ≤ 88, relative error 4e-7; 0 for x < -87. The one for inner loops.
CUELBO_INLINE vfloat exp_fast(vfloat x) {
  using namespace simd_detail;
  const vfloat shifted = fma(x, broadcast(log2_e), broadcast(round_magic));
  const vfloat n = shifted - round_magic;
  const vfloat r = has_fma ? fma(n, broadcast(-ln2), x) : x - n * ln2_high - n * ln2_low;
  const vfloat p = polynomial(r, broadcast(8.312520235e-03F), 4.189015684e-02F, 1.666711465e-01F,
                              4.999923150e-01F, 1.0F, 1.0F);
  const vfloat y = as_float(as_uint(p) + (as_uint(shifted) << 23));
  return select(x < -87.0F, vfloat{}, y);
}

// ln x, within 2 units in the last place; log(0) = -∞, NaN below.
CUELBO_INLINE vfloat log(vfloat x) {
  using namespace simd_detail;
  const vint subnormal = x < 1.17549435e-38F;
  const vfloat scaled = select(subnormal, x * 8388608.0F, x);  // 2²³
  // x = 2ᵉ·m with m in [√½, √2)
  const vint offset = reinterpret_cast<vint>(as_uint(scaled) - 0x3f3504f3U);
  const vint exponent = (offset >> 23) - select(subnormal, broadcast_int(23), vint{});
  const vfloat m = as_float((offset & 0x007fffff) + 0x3f3504f3) - 1.0F;
  const vfloat e = to_float(exponent);
  const vfloat z = m * m;
  const vfloat q =
      polynomial(m, broadcast(7.0376836292e-2F), -1.1514610310e-1F, 1.1676998740e-1F, -1.2420140846e-1F,
                 1.4249322787e-1F, -1.6668057665e-1F, 2.0000714765e-1F, -2.4999993993e-1F, 3.3333331174e-1F);
  vfloat y = fma(e, broadcast(ln2_low), q * z * m);
  y = fma(z, broadcast(-0.5F), y);
  y = fma(e, broadcast(ln2_high), m + y);
  y = select(x == __builtin_inff(), x, y);
  y = select(x == 0.0F, broadcast(-__builtin_inff()), y);
  return select((x < 0.0F) | is_nan(x), broadcast(__builtin_nanf("")), y);
}

// sin 2πu and cos 2πu for u in [0, 1), absolute error 2e-7.
CUELBO_INLINE void sincos_2pi(vfloat u, vfloat& sine, vfloat& cosine) {
  using namespace simd_detail;
  const vfloat shifted = fma(u, broadcast(4.0F), broadcast(round_magic));
  const vint quadrant = as_int(shifted);
  const vfloat r = fma(shifted - round_magic, broadcast(-0.25F), u) * 6.28318530717958648F;  // [-π/4, π/4]
  const vfloat z = r * r;
  const vfloat s =
      fma(polynomial(z, broadcast(-1.9515295891e-4F), 8.3321608736e-3F, -1.6666654611e-1F), z * r, r);
  const vfloat c =
      fma(polynomial(z, broadcast(2.443315711809948e-5F), -1.388731625493765e-3F, 4.166664568298827e-2F),
          z * z, fma(z, broadcast(-0.5F), broadcast(1.0F)));
  const vint swap = (quadrant & 1) != 0;
  sine = as_float(as_int(select(swap, c, s)) ^ ((quadrant & 2) << 30));
  cosine = as_float(as_int(select(swap, s, c)) ^ (((quadrant + 1) & 2) << 30));
}

CUELBO_INLINE vfloat tanh(vfloat x) {
  using namespace simd_detail;
  const vfloat z = x * x;
  const vfloat small = fma(polynomial(z, broadcast(-5.70498872745e-3F), 2.06390887954e-2F, -5.37397155531e-2F,
                                      1.33314422036e-1F, -3.33332819422e-1F),
                           z * x, x);
  const vfloat large = copysign(1.0F - 2.0F / (exp(2.0F * abs(x)) + 1.0F), x);
  return select(abs(x) >= 0.625F, large, small);
}

CUELBO_INLINE vfloat sigmoid(vfloat x) { return 1.0F / (1.0F + exp(-x)); }

// ln(1 + eˣ)
CUELBO_INLINE vfloat softplus(vfloat x) {
  const vfloat t = exp(-abs(x));
  const vfloat u = 1.0F + t;
  const vfloat log1p = log(u) + (t - (u - 1.0F)) / u;  // what rounding 1 + t lost
  return vmax(vfloat{}, x) + log1p;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
