// Loops over one row's pairs with the columns of one tile: arrays of `tile` floats.
#pragma once

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr std::int32_t block_rows = 8;  // rows that share what is loaded for a tile of columns
inline constexpr std::int32_t row_group = 4;   // of them, rows whose pairs are computed side by side

// Products of densities may come out subnormal, which is slow: they count as 0 between these two. Every task calls
// them, so that results do not depend on its thread's state.
CUELBO_INLINE unsigned flush_subnormals() {
#if defined(__x86_64__)
  const unsigned state = _mm_getcsr();
  _mm_setcsr(state | 0x8040);
  return state;
#else
  return 0;
#endif
}
CUELBO_INLINE void restore_subnormals(unsigned state) {
#if defined(__x86_64__)
  _mm_setcsr(state);
#else
  static_cast<void>(state);
#endif
}

// 2ˣ for x ≤ 127, relative error 2e-7; 0 below -126 or a subnormal number. Minimax polynomials of degree 5.
CUELBO_INLINE vfloat exp2(vfloat x) {
  using simd_detail::polynomial;
#if defined(__AVX512DQ__)
  const __m512 v = reinterpret_cast<__m512>(x);
  const vfloat f = reinterpret_cast<vfloat>(_mm512_maskz_reduce_ps(0xffff, v, 0x09));  // x − ⌊x⌋
  const vfloat p = polynomial(f, broadcast(1.8775766733615596e-3F), 8.989340094732463e-3F, 5.582631805001738e-2F,
                              2.4015361704534385e-1F, 6.931530732000745e-1F, 9.999999250635297e-1F);
  return reinterpret_cast<vfloat>(_mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(p), v));  // p · 2^⌊x⌋
#else
  using simd_detail::round_magic;
  const vfloat bounded = vmin(broadcast(127.0F), vmax(broadcast(-126.0F), x));
  const vfloat shifted = bounded + round_magic;
  const vfloat f = bounded - (shifted - round_magic);
  const vfloat p = polynomial(f, broadcast(1.327647197931638e-3F), 9.675541334206542e-3F, 5.550713273542824e-2F,
                              2.4022119723848698e-1F, 6.931469670647334e-1F, 1.0F);
  const vfloat y = as_float(as_int(p) + (as_int(shifted) << 23));
  return select(x < -126.0F, vfloat{}, y);
#endif
}

CUELBO_INLINE void fill_tile(float* p, float x) {
  for (std::int64_t j = 0; j < tile; j += lanes) store(p + j, broadcast(x));
}

struct Component {  // one dimension of one tile's columns
  const float *mean, *a, *c;
};
CUELBO_INLINE Component component(const ColumnTables& t, std::int64_t q, std::int64_t d) {
  const float* const p = t.dimension(q, d);
  return {p, p + tile, p + 2 * tile};
}

CUELBO_INLINE vfloat standardised(const Component& x, vfloat z, std::int64_t j) {
  return (z - load(x.mean + j)) * load(x.a + j);
}
CUELBO_INLINE vfloat log_density(const Component& x, vfloat t, std::int64_t j) { return fma(-t, t, load(x.c + j)); }

// The rows of a group. Missing ones repeat the last.
struct RowGroup {
  const float* z[row_group];  // (dims)
  const float* w[row_group];  // (tile): weights of the pairs
};

// Log-densities of one dimension, `stride` apart for each row.
CUELBO_INLINE void log_densities(const Component& x, std::int64_t d, const RowGroup& rows, float* logs,
                                 std::int64_t stride) {
  for (int r = 0; r < row_group; ++r) {
    const vfloat z = broadcast(rows.z[r][d]);
    for (std::int64_t j = 0; j < tile; j += lanes)
      store(logs + r * stride + j, log_density(x, standardised(x, z, j), j));
  }
}

// Combines the arrays of a node's children; use(j, x) takes the result.
template <class Combine, class Use>
CUELBO_INLINE void combine_children(const float* slots, const std::int32_t* children, std::int32_t count,
                                    Combine combine, Use use) {
  const float* const first = slots + children[0] * tile;
  for (std::int64_t j = 0; j < tile; j += 4 * lanes) {  // tile is a multiple of 4 vectors
    vfloat x[4];
    for (int i = 0; i < 4; ++i) x[i] = load(first + j + i * lanes);
    for (std::int32_t c = 1; c < count; ++c) {
      const float* const child = slots + children[c] * tile + j;
      for (int i = 0; i < 4; ++i) x[i] = combine(x[i], load(child + i * lanes));
    }
    for (int i = 0; i < 4; ++i) use(j + i * lanes, x[i]);
  }
}

CUELBO_INLINE void add_tile(float* to, const float* from) {
#pragma GCC unroll 4
  for (std::int64_t j = 0; j < tile; j += lanes) store(to + j, load(to + j) + load(from + j));
}

// The weights of the columns for one row and tile, with the tiles that most rows share.
struct Weights {
  alignas(64) float inner[tile];  // other_weight everywhere
  alignas(64) float last[tile];   // the last tile, 0 behind the last column
  std::int64_t columns, tiles;
  float own, next;
};

CUELBO_INLINE void prepare(Weights& w, const ColumnTables& t, double own, double next, double other) {
  w.columns = t.columns;
  w.tiles = t.tiles;
  w.own = static_cast<float>(own);
  w.next = static_cast<float>(next);
  for (std::int64_t j = 0; j < tile; ++j) {
    w.inner[j] = static_cast<float>(other);
    w.last[j] = (t.tiles - 1) * tile + j < t.columns ? static_cast<float>(other) : 0.0F;
  }
}

// Returns one of the shared tiles, or fills `special` where the tile has the row's own column or the next.
CUELBO_INLINE const float* tile_weights(const Weights& w, std::int64_t own, std::int64_t q, float* special) {
  const float* const shared = q == w.tiles - 1 ? w.last : w.inner;
  if (own < 0 || own >= w.columns) return shared;
  const std::int64_t next = own + 1 < w.columns ? own + 1 : 0;
  if (own / tile != q && next / tile != q) return shared;
  for (std::int64_t j = 0; j < tile; j += lanes) store(special + j, load(shared + j));
  if (next / tile == q) special[next % tile] = w.next;
  if (own / tile == q) special[own % tile] = w.own;
  return special;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
