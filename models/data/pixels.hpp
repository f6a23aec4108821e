// Turns stored arrays into pixels: the order of the axes and the scale. An ambiguous array is refused
// with the way to say which.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/io/array.hpp"

namespace cuelbo {

enum class Layout {
  automatic,  // nhwc, but a shape that looks like another order is an error
  nhwc,       // (n, H, W, C), whatever it looks like
  nchw,       // (n, C, H, W)
};

// Stored types whose pixels a scale can be common to.
enum class PixelKind { integers, floats, booleans };
PixelKind pixel_kind(Dtype stored);

struct ImageShape {
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t size() const { return height * width * channels; }
  bool operator==(const ImageShape&) const = default;
};

struct PixelOptions {
  // The stored value that becomes 1. None: 255 for uint8, or 1 if it holds only 0 and 1 (a mask); 1 for bool and
  // floats, which must be in [0, 1]; an error for other integers.
  std::optional<double> scale;
  // A model was trained on pixels of this type, and the scale is theirs. Pixels of another kind have no scale then,
  // other integers are an error, and so is a uint8 that holds only 0 and 1: a single image would be scaled
  // differently from the whole file. None: the scale applies to all types.
  std::optional<Dtype> scale_of = std::nullopt;
  Layout layout = Layout::automatic;
  // The shape of the images that a model takes: an array of that shape is accepted. Grey pictures become RGB for a
  // model on RGB.
  std::optional<ImageShape> shape;
};

struct Pixels {
  Array images;              // (n, H, W, C): u8, to be divided by `divisor`, or f32, which are scaled already
  Dtype stored = Dtype::u8;  // type in the file
  double scale = 1;          // stored values are divided by it; 1 for bool, where any non-zero byte is 1
  float divisor = 1;         // what the u8 elements are divided by
  float lowest = 0, highest = 0;  // of the pixels, after scaling
};

// Whether Layout::automatic refuses the shape (n, H, W) or (n, H, W, C) unless a model takes it.
bool looks_like_another_order(const std::vector<std::int64_t>& shape);

// `given` is (n, H, W) or (n, H, W, C), or in the order that the layout says. Error: another shape, no elements, NaN
// or Inf, or what PixelOptions refuses; it names the image.
Pixels make_pixels(Array given, const PixelOptions& options);

}  // namespace cuelbo
