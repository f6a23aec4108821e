// Minimal filtering of a 4 × 4 convolution with stride 2 and padding 1, and of its adjoint: 9 products where 16 would be.
//
// Even and odd rows and columns are phases of their own, and in each the kernel has two taps along an axis. Two neighbouring
// outputs of two taps take three products (Winograd's F(2, 2): Winograd 1980, Lavin & Gray 2015, arXiv 1509.09308):
//   y₀ = d₀ g₀ + d₁ g₁ = (d₀ − d₁) g₀ + d₁ (g₀ + g₁)
//   y₁ = d₁ g₀ + d₂ g₁ = d₁ (g₀ + g₁) + (d₂ − d₁) g₁
// All factors are 1, so integers stay exact, and rounding is about that of plain sums. A tile is 2 × 2 pixels of the small
// image. Along each axis an index (phase, point) tells the phase and which of the three products it is.
#pragma once

#include "kernels/conv2d/conv2d.hpp"
#include "kernels/linear/gemm_tile.hpp"

namespace cuelbo::kernels::CUELBO_ISA::winograd {

inline constexpr int points = 3, phases = 2;

// Channels fill vectors on every path. With fewer, transforming would cost more than it saves.
CUELBO_INLINE bool applies(const Conv2dShape& s) {
  return s.kernel == 4 && s.stride == 2 && s.padding == 1 && s.large_height == 2 * s.small_height &&
         s.large_width == 2 * s.small_width && s.small_height % 2 == 0 && s.small_width % 2 == 0 &&
         s.large_channels % 16 == 0 && s.small_channels % 16 == 0 && s.large_channels > 0 &&
         s.small_channels > 0;
}

// One output of a transform along an axis: a, or what is made of a and b.
enum class Make : std::uint8_t { a, minus_a, sum, difference };
struct Combination {
  Make make;
  int a, b = 0;
};
template <class Get>
CUELBO_INLINE vfloat combine(Combination c, Get&& get) {
  if (c.make == Make::a) return get(c.a);
  if (c.make == Make::minus_a) return -get(c.a);
  return c.make == Make::sum ? get(c.a) + get(c.b) : get(c.a) - get(c.b);
}

// Six large pixels, the first of them one before the tile's: d of both phases, by (phase, point).
struct LargeAxis {
  static constexpr int inputs = 6, outputs = 6;
  static constexpr Combination make[outputs] = {
      {Make::difference, 0, 2}, {Make::a, 2}, {Make::difference, 4, 2},
      {Make::difference, 1, 3}, {Make::a, 3}, {Make::difference, 5, 3}};
};
// Four small pixels, the first of them one before the tile's, of the adjoint. The last product of one phase and the first
// of the next have the same factor, but for its sign: (phase, point) is output 2 · phase + point.
struct SmallAxis {
  static constexpr int inputs = 4, outputs = 5;
  static constexpr Combination make[outputs] = {{Make::difference, 0, 1},
                                                {Make::a, 1},
                                                {Make::difference, 2, 1},
                                                {Make::a, 2},
                                                {Make::difference, 3, 2}};
};
// The taps of the kernel, by (phase, point); for the adjoint, which reads them backwards.
struct TapAxis {
  static constexpr int inputs = 4, outputs = 6;
  static constexpr Combination make[outputs] = {{Make::a, 0}, {Make::sum, 0, 2}, {Make::a, 2},
                                                {Make::a, 1}, {Make::sum, 1, 3}, {Make::a, 3}};
};
struct AdjointTapAxis {
  static constexpr int inputs = 4, outputs = 6;
  static constexpr Combination make[outputs] = {{Make::a, 3},       {Make::sum, 3, 1}, {Make::a, 1},
                                                {Make::minus_a, 2}, {Make::sum, 2, 0}, {Make::a, 0}};
};
// Two small pixels by point, as the taps that the weight gradient correlates with.
struct PixelAxis {
  static constexpr int inputs = 2, outputs = 3;
  static constexpr Combination make[outputs] = {{Make::a, 0}, {Make::sum, 0, 1}, {Make::a, 1}};
};

// Keeps g++ from making a pointer of each of dozens of places, which would all live on the stack.
template <class T>
CUELBO_INLINE T* one_pointer(T* p) {
  asm("" : "+r"(p));
  return p;
}

// Line i, which is to be a constant, of the transform along both axes: inputs are load(row(r), c), output j goes to `to` +
// column(j).
template <class Axis, class Row, class Load, class Column>
CUELBO_INLINE void transform_line(int i, Row&& row, Load&& load, float* to, Column&& column) {
  const float* const a = one_pointer(row(Axis::make[i].a));
  const float* const b = one_pointer(row(Axis::make[i].b));
  vfloat line[Axis::inputs];
#pragma GCC unroll 6
  for (int c = 0; c < Axis::inputs; ++c)
    line[c] = combine(Axis::make[i], [&](int r) { return load(r == Axis::make[i].a ? a : b, c); });
#pragma GCC unroll 6
  for (int j = 0; j < Axis::outputs; ++j)
    store(to + column(j), combine(Axis::make[j], [&](int c) { return line[c]; }));
}
// All lines; line i goes to line(i).
template <class Axis, class Row, class Load, class Line, class Column>
CUELBO_INLINE void transform(Row&& row, Load&& load, Line&& line, Column&& column) {
#pragma GCC unroll 6
  for (int i = 0; i < Axis::outputs; ++i) transform_line<Axis>(i, row, load, one_pointer(line(i)), column);
}

// The two outputs of three products, along both axes.
CUELBO_INLINE void add_points(const vfloat (&product)[points][points], vfloat (&y)[2][2]) {
  vfloat sum[2][points];
#pragma GCC unroll 3
  for (int j = 0; j < points; ++j) {
    sum[0][j] = product[0][j] + product[1][j];
    sum[1][j] = product[1][j] + product[2][j];
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    y[i][0] = sum[i][0] + sum[i][1];
    y[i][1] = sum[i][1] + sum[i][2];
  }
}

// Tiles of all images, one after the other.
struct Tiles {
  std::int64_t batch, height, width;

  explicit Tiles(const Conv2dShape& s)
      : batch(s.batch), height(s.small_height / 2), width(s.small_width / 2) {}
  std::int64_t count() const { return batch * height * width; }
};
struct TilePosition {
  std::int64_t image, y, x;
};
// Calls f(t, where it is) for tiles first … first + count - 1, t counting from 0.
template <class F>
CUELBO_INLINE void for_tiles(const Tiles& tiles, std::int64_t first, std::int64_t count, F&& f) {
  TilePosition p{first / (tiles.height * tiles.width), first / tiles.width % tiles.height,
                 first % tiles.width};
  for (std::int64_t t = 0; t < count; ++t) {
    f(t, p);
    if (++p.x < tiles.width) continue;
    p.x = 0;
    if (++p.y < tiles.height) continue;
    p.y = 0;
    ++p.image;
  }
}

// size × size pixels of an image from (y, x) on, of which rows and the first and last column may be outside: they are zero.
// `zeros` has a line of them.
template <int size>
struct Patch {
  const float* second[size];  // the second pixel of each row
  std::int64_t channels, first, last;
  vint keep_first, keep_last;

  Patch(const float* image, std::int64_t height, std::int64_t width, std::int64_t image_channels,
        std::int64_t y, std::int64_t x, const float* zeros)
      : channels(image_channels) {
    for (int i = 0; i < size; ++i)
      second[i] =
          (y + i >= 0 && y + i < height ? image + (y + i) * width * channels : zeros) + (x + 1) * channels;
    const bool first_inside = x >= 0, last_inside = x + size <= width;
    first = first_inside ? -channels : 0;
    last = (last_inside ? size - 2 : size - 3) * channels;
    keep_first = broadcast_int(first_inside ? -1 : 0);
    keep_last = broadcast_int(last_inside ? -1 : 0);
  }
  [[gnu::always_inline]] vfloat at(const float* row, int column) const {
    if (column == 0) return as_float(as_int(load(row + first)) & keep_first);
    if (column == size - 1) return as_float(as_int(load(row + last)) & keep_last);
    return load(row + (column - 1) * channels);
  }
};

// The large pixels of a tile.
CUELBO_INLINE Patch<LargeAxis::inputs> large_patch(const Conv2dShape& s, const float* large, TilePosition p,
                                                   const float* zeros) {
  return {large + p.image * s.large_height * s.large_width * s.large_channels,
          s.large_height,
          s.large_width,
          s.large_channels,
          4 * p.y - 1,
          4 * p.x - 1,
          zeros};
}

}  // namespace cuelbo::kernels::CUELBO_ISA::winograd
