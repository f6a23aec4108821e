// Loops over the pairs of a group of rows with the columns of one tile.
#pragma once

#include "kernels/elbo_decomposition/block_plan.hpp"
#include "kernels/elbo_decomposition/column_tables.hpp"
#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

inline constexpr std::int32_t block_rows = 16;  // rows that share what is loaded for a tile of columns
inline constexpr std::int32_t row_group = 4;    // of them, rows whose pairs are computed side by side

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

#if defined(CUELBO_AVX512)
// x − ⌊x⌋; 0 for −∞.
CUELBO_INLINE vfloat fraction(vfloat x) {
  return reinterpret_cast<vfloat>(_mm512_maskz_reduce_ps(0xffff, reinterpret_cast<__m512>(x), 0x09));
}
// y · 2^⌊x⌋
CUELBO_INLINE vfloat scale(vfloat y, vfloat x) {
  return reinterpret_cast<vfloat>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(x)));
}
#elif defined(CUELBO_EMULATE_AVX512)
CUELBO_INLINE vfloat floor(vfloat x) {
  for (int lane = 0; lane < lanes; ++lane) x[lane] = __builtin_floorf(x[lane]);
  return x;
}
CUELBO_INLINE vfloat fraction(vfloat x) { return select(x == -__builtin_inff(), vfloat{}, x - floor(x)); }
CUELBO_INLINE vfloat scale(vfloat y, vfloat x) {
  using simd_detail::power_of_two;
  const vfloat bounded = vmin(broadcast(254.0F), vmax(broadcast(-252.0F), floor(x)));
  const vint exponent = __builtin_convertvector(bounded, vint), half = exponent >> 1;
  return y * power_of_two(half) * power_of_two(exponent - half);
}
#endif

// 2ˣ for x ≤ 127, relative error 2e-7; 0 below -126 or a subnormal number. Minimax polynomials of degree 5. n vectors go
// side by side.
template <int n>
CUELBO_INLINE void exp2(vfloat (&x)[n]) {
  vfloat f[n], y[n];
#if defined(CUELBO_AVX512) || defined(CUELBO_EMULATE_AVX512)
  constexpr float first = 1.8775766733615596e-3F;
  constexpr float rest[] = {8.989340094732463e-3F, 5.582631805001738e-2F, 2.4015361704534385e-1F,
                            6.931530732000745e-1F, 9.999999250635297e-1F};
  for (int i = 0; i < n; ++i) f[i] = fraction(x[i]);
#else
  using simd_detail::round_magic;
  constexpr float first = 1.327647197931638e-3F;
  constexpr float rest[] = {9.675541334206542e-3F, 5.550713273542824e-2F, 2.4022119723848698e-1F,
                            6.931469670647334e-1F, 1.0F};
  vuint exponent[n];
  for (int i = 0; i < n; ++i) {
    x[i] = vmax(broadcast(-126.75F), x[i]);  // 2 to its power comes out subnormal
    const vfloat shifted = x[i] + round_magic;
    f[i] = x[i] - (shifted - round_magic);
    exponent[i] = as_uint(shifted) << 23;
  }
#endif
  for (int i = 0; i < n; ++i) y[i] = broadcast(first);
  for (const float c : rest)
    for (int i = 0; i < n; ++i) y[i] = fma(y[i], f[i], broadcast(c));
  for (int i = 0; i < n; ++i) {
#if defined(CUELBO_AVX512) || defined(CUELBO_EMULATE_AVX512)
    x[i] = scale(y[i], x[i]);
#else
    x[i] = as_float(as_uint(y[i]) + exponent[i]);
#endif
  }
}
CUELBO_INLINE vfloat exp2(vfloat x) {
  vfloat one[] = {x};
  exp2(one);
  return one[0];
}

CUELBO_INLINE void fill_tile(float* p, float x) {
  for (std::int64_t j = 0; j < tile; j += lanes) store(p + j, broadcast(x));
}

CUELBO_INLINE void copy_tile(const float* from, float* to) {
  for (std::int64_t j = 0; j < tile; j += lanes) store(to + j, load(from + j));
}

struct Component {  // one dimension of one tile's columns
  const float *mean, *a, *c;
};
CUELBO_INLINE Component component(const ColumnTables& t, std::int64_t q, std::int64_t d) {
  const float* const p = t.dimension(q, d);
  return {p, p + tile, p + 2 * tile};
}

// The values of the rows of a group are stored side by side: (row_group, tile).
inline constexpr std::int64_t group_tile = row_group * tile;

// Log-densities of one dimension; with `add_up` also added to `sum`.
template <bool add_up = false>
CUELBO_INLINE void log_densities(const Component& x, const float* z, float* logs, float* sum = nullptr) {
  vfloat zs[row_group];
  for (int r = 0; r < row_group; ++r) zs[r] = broadcast(z[r]);
  for (std::int64_t j = 0; j < tile; j += lanes) {
    const vfloat mean = load(x.mean + j), a = load(x.a + j), c = load(x.c + j);
    for (int r = 0; r < row_group; ++r) {
      const vfloat t = (zs[r] - mean) * a;
      const vfloat e = fma(-t, t, c);
      store(logs + r * tile + j, e);
      if (add_up) store(sum + r * tile + j, load(sum + r * tile + j) + e);
    }
  }
}

// use(j, 2^log(j)) for the vectors of a tile, log(j) ≤ 127. As a loop of its own behind that of the log-densities it is
// faster than as one with it: a chain of dependent operations half as long leaves room for twice as many chains in the
// processor's window.
template <class Log, class Use>
CUELBO_INLINE void exp2_tile(Log log, Use use) {
#pragma GCC unroll 1
  for (std::int64_t j = 0; j < tile; j += 2 * lanes) {  // tile is a multiple of 2 vectors
    vfloat x[2];
    for (int i = 0; i < 2; ++i) x[i] = log(j + i * lanes);
    exp2(x);
    for (int i = 0; i < 2; ++i) use(j + i * lanes, x[i]);
  }
}

// Adds those of several dimensions to `logs`; z is (dims, block_rows).
CUELBO_INLINE void add_log_densities(const ColumnTables& tables, std::int64_t q, IndexRange dims,
                                     const float* z, float* logs) {
  for (std::int64_t j = 0; j < tile; j += lanes) {
    vfloat e[row_group], c{};
    for (int r = 0; r < row_group; ++r) e[r] = load(logs + r * tile + j);
    for (std::int32_t d = dims.begin; d < dims.end; ++d) {
      const Component x = component(tables, q, d);
      const vfloat mean = load(x.mean + j), a = load(x.a + j);
      c += load(x.c + j);
      for (int r = 0; r < row_group; ++r) {
        const vfloat t = (broadcast(z[d * block_rows + r]) - mean) * a;
        e[r] = fma(-t, t, e[r]);
      }
    }
    for (int r = 0; r < row_group; ++r) store(logs + r * tile + j, e[r] + c);
  }
}

// Adds what a segment has of each span to (spans, block_rows, tile), for the group of rows that begins with `first`; z is
// (dims, block_rows).
CUELBO_INLINE void add_span_terms(const BlockPlan& plan, const PlanSegment& segment,
                                  const ColumnTables& tables, std::int64_t q, const float* z,
                                  std::int32_t first, float* logs) {
  for (std::int32_t i = segment.terms.begin; i < segment.terms.end;) {
    const std::int32_t span = plan.terms[i].span;
    IndexRange dims = plan.nodes[node_at(segment, plan.terms[i].slot)].dims;
    for (++i; i < segment.terms.end && plan.terms[i].span == span; ++i) {  // terms side by side are one
      const IndexRange next = plan.nodes[node_at(segment, plan.terms[i].slot)].dims;
      if (next.begin != dims.end) break;
      dims.end = next.end;
    }
    add_log_densities(tables, q, dims, z + first, logs + (span * block_rows + first) * tile);
  }
}

CUELBO_INLINE vfloat add(vfloat a, vfloat b) { return a + b; }
CUELBO_INLINE vfloat multiply(vfloat a, vfloat b) { return a * b; }

// Combines `size` elements of a node's children, of which there are at least two, group_tile apart; use(j, x) takes the
// result.
template <class Combine, class Use>
CUELBO_INLINE void combine_children(const float* slots, std::int64_t size, const std::int32_t* children,
                                    std::int32_t count, Combine combine, Use use) {
  const float* const first = slots + children[0] * group_tile;
  const float* const second = slots + children[1] * group_tile;
#pragma GCC unroll 1
  for (std::int64_t j = 0; j < size; j += 4 * lanes) {  // tile is a multiple of 4 vectors
    vfloat x[4];
    for (int i = 0; i < 4; ++i) x[i] = combine(load(first + j + i * lanes), load(second + j + i * lanes));
#pragma GCC unroll 1
    for (std::int32_t c = 2; c < count; ++c) {
      const float* const child = slots + children[c] * group_tile + j;
      for (int i = 0; i < 4; ++i) x[i] = combine(x[i], load(child + i * lanes));
    }
    for (int i = 0; i < 4; ++i) use(j + i * lanes, x[i]);
  }
}

// The sums or products of a node's children for all rows of a group.
template <class Combine>
CUELBO_INLINE void combine_group(float* slots, const std::int32_t* children, std::int32_t count, float* out,
                                 Combine combine) {
  combine_children(slots, group_tile, children, count, combine,
                   [=](std::int64_t j, vfloat x) { store(out + j, x); });
}

CUELBO_INLINE void add_group(float* to, const float* from) {
  for (std::int64_t j = 0; j < group_tile; j += lanes) store(to + j, load(to + j) + load(from + j));
}

// A node is online if its density is taken relative to a running maximum or a known sum, so that it cannot be a factor.
CUELBO_INLINE void mark_parents_online(const BlockPlan& plan, bool* online) {
  for (std::int32_t g = 0; g < plan.segment_count; ++g) {
    const PlanSegment& segment = plan.segments[g];
    for (std::int32_t n = segment.nodes.begin; n < segment.nodes.end; ++n) {
      for (std::int32_t c = plan.nodes[n].children.begin; c < plan.nodes[n].children.end; ++c)
        online[n] |= online[node_at(segment, plan.children[c])];
    }
  }
}

// Lane i of the result is the sum of the lanes of vector i at p, for as many vectors as there are lanes.
template <int vectors = lanes>
CUELBO_INLINE vfloat sum_lanes(const float* p) {
  if constexpr (vectors == 1) {
    return load(p);
  } else {
    // Each half has a piece of `width` lanes for each of its vectors; the result has pieces of half the width.
    constexpr int pieces = vectors / 2, width = lanes / pieces;
    const vfloat a = sum_lanes<pieces>(p), b = sum_lanes<pieces>(p + pieces * lanes);
    const vint piece = iota() / (width / 2), lane = iota() % (width / 2);
    const vint lower = piece % pieces * width + lane + ((piece >= pieces) & lanes);
    return __builtin_shuffle(a, b, lower) + __builtin_shuffle(a, b, lower + width / 2);
  }
}

// out[i] = sum of the lanes of vector i, for n vectors rounded up to as many as there are lanes.
CUELBO_INLINE void sum_lanes(const float* p, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; i += lanes) store(out + i, sum_lanes(p + i * lanes));
}

// n rounded up to the longest vectors of any path, for arrays that are worked on vector by vector.
CUELBO_INLINE std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }

// to[d, r] = z[r, d]; missing rows repeat the last.
CUELBO_INLINE void copy_rows(const float* z, std::int64_t dims, std::int32_t rows, float* to) {
  for (std::int32_t r = 0; r < block_rows; ++r)
    for (std::int64_t d = 0; d < dims; ++d) to[d * block_rows + r] = z[(r < rows ? r : rows - 1) * dims + d];
}

// The weights of the columns for each row.
struct Weights {
  std::int64_t columns;
  float own, next, other;
};

CUELBO_INLINE Weights weights_of(const ElboDecompositionShape& s) {
  return {s.columns, static_cast<float>(s.own_weight), static_cast<float>(s.next_weight),
          static_cast<float>(s.other_weight)};
}

// Those of tile q; 0 behind the last column. Returns whether they are other_weight in all columns there are.
CUELBO_INLINE bool tile_weights(const Weights& w, std::int64_t own, std::int64_t q, float* out) {
  fill_tile(out, w.other);
  const std::int64_t first = q * tile;
  for (std::int64_t j = w.columns - first; j < tile; ++j) out[j] = 0;
  if (own < 0 || own >= w.columns) return true;
  const std::int64_t next = own + 1 < w.columns ? own + 1 : 0;
  if (next / tile == q) out[next - first] = w.next;
  if (own / tile == q) out[own - first] = w.own;
  return next / tile != q && own / tile != q;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
