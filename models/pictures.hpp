// A model's reconstructions, samples and traversals as 8-bit pictures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/image.hpp"
#include "models/decoder.hpp"

namespace cuelbo {

// Pictures of one size, grey or RGB.
struct Tiles {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // (count, height, width, channels)

  std::int64_t count() const;
  Image tile(std::int64_t index) const;
};

// The values that are shown as black and as white.
struct Shades {
  float black = 0, white = 1;
};

// 0 and 1 if all values of the images are between them, else the least and the greatest one.
Shades shades_of(std::span<const float> images);

// From (n, H, W, C); values beyond the shades are clamped, NaN is black. Unless C is 3, the first channel is shown.
Tiles make_tiles(std::span<const float> images, ImageShape shape, Shades shades = {});

// Rows of tiles from the left, `gap` grey pixels between them; a row without tiles is a wider gap. Tiles are of one size.
Image arrange(const std::vector<Tiles>& rows, std::int64_t gap = 2);

// One latent variable: a Gaussian dimension or a discrete group.
struct LatentAxis {
  std::string group, name;  // "form", "form 3"; of a discrete group the two are equal
  int dim = -1;             // tree dimension, or
  int discrete = -1;        // index of the discrete group
  std::int64_t classes = 0;
  double kl = 0;  // KL(q(z|x) ‖ p(z)) of this variable, nats, mean over items
};
std::vector<LatentAxis> latent_axes(const Codes& codes, const GroupTree& tree);  // in tree order
std::vector<LatentAxis> sorted_by_kl(std::vector<LatentAxis> axes);              // largest first

// A Gaussian dimension is moved through these values, a discrete group through its classes.
inline constexpr float traversal_limit = 2.5F;
inline constexpr int traversal_steps = 11;
std::vector<float> traversal_values();

// One row of pictures: `code` (code_size) with one variable moved.
Tiles traverse(Decoder& decoder, std::span<const float> code, const LatentAxis& axis, Shades shades = {});

// Classes of a discrete group down, values of a Gaussian dimension across: one row of tiles per class.
std::vector<Tiles> traverse_classes(Decoder& decoder, std::span<const float> code, const LatentAxis& group,
                                    const LatentAxis& dim, Shades shades = {});

// `count` pictures of codes drawn from the prior, discrete groups as one-hot.
Tiles sample_prior(Decoder& decoder, std::int64_t count, std::uint64_t seed, Shades shades = {});

}  // namespace cuelbo
