// dSprites (regenerated): the 737 280 images of 64×64 of Matthey et al. 2017, rendered from their factors.
// Without anti-aliasing: a pixel is white when its centre is inside the shape.
//
//   centre = (16 + 32·posX, 16 + 32·posY) pixels, y down; pixel (i, j) has its centre at (j + 0.5, i + 0.5)
//   u = (cos θ·dx − sin θ·dy) / scale, v = (sin θ·dx + cos θ·dy) / scale, (dx, dy) = pixel − centre
//   square: |u|, |v| < 9.6
//   ellipse: (u/12.77)² + (v/7.21)² < 1
//   heart: a polygon of 200 corners, t = 2πk/200, u = 0.59975·16·sin³t,
//          v = −0.66225·(13 cos t − 5 cos 2t − 2 cos 3t − cos 4t) − 1.44
//
// 302 of 320 frames of the original are met exactly, with 34 wrong pixels in the other 18.
#pragma once

#include <array>
#include <cstdint>

#include "models/data/dataset.hpp"

namespace cuelbo {

// Indices of the factors, in the order in which they make an item's index (pos_y fastest).
struct DspritesFactors {
  std::int64_t shape = 0;        // of 3: square, ellipse, heart
  std::int64_t scale = 0;        // of 6: 0.5 to 1
  std::int64_t orientation = 0;  // of 40: 0 to 2π, counter-clockwise; the first equals the last
  std::int64_t pos_x = 0;        // of 32: 0 to 1
  std::int64_t pos_y = 0;        // of 32: 0 to 1

  friend bool operator==(const DspritesFactors&, const DspritesFactors&) = default;
};

inline constexpr std::array<std::int64_t, 5> dsprites_factor_sizes{3, 6, 40, 32, 32};
inline constexpr std::int64_t dsprites_size = 737'280;
inline constexpr std::int64_t dsprites_side = 64;

DspritesFactors dsprites_factors(std::int64_t item);
std::int64_t dsprites_item(const DspritesFactors& factors);

// Bit j of row i is pixel (i, j).
using DspritesBits = std::array<std::uint64_t, dsprites_side>;
DspritesBits render_dsprite(const DspritesFactors& factors);

class Dsprites final : public Dataset {
 public:
  Dsprites();
  void gather(std::span<const std::int64_t> items, float* images) const override;
  void gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const override;
  std::uint32_t checksum() const override;  // of a thousand images all over the data set
};

}  // namespace cuelbo
