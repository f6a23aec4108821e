#include "models/data/pixels.hpp"

#include <algorithm>
#include <cmath>

namespace cuelbo {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::int64_t widest_color = 4;  // RGBA

bool is_color(std::int64_t channels) { return channels == 1 || channels == 3 || channels == widest_color; }

// The line of NumPy that puts a shape into the order (n, H, W, C) or (n, H, W), if it looks like another order.
struct Reordering {
  const char* looks_like;
  const char* numpy;
};

// Few channels in front of a larger image, or square images only if the channels are in front. A last axis of up to
// `widest_color` is taken for channels, and so is one behind square images.
bool looks_like_channels_first(std::int64_t second, std::int64_t third, std::int64_t last) {
  if (second == third) return false;
  if (third == last && second < third) return true;
  return last > widest_color && (is_color(second) || second < std::min(third, last) || third == last);
}

std::optional<Reordering> other_order(const Shape& s) {
  const bool square_in_front =
      s[0] == s[1] && s[0] > widest_color;  // more likely one image than n images of n rows
  if (s.size() == 3) {
    const bool color = s[2] == 3 || s[2] == 4;
    if ((color && s[1] > widest_color) || (square_in_front && s[2] <= widest_color))
      return {{"one image (H, W, C)", "images[numpy.newaxis]"}};
    if (square_in_front && s[2] != s[1]) return {{"(H, W, n)", "numpy.moveaxis(images, 2, 0)"}};
    return std::nullopt;
  }
  if (looks_like_channels_first(s[1], s[2], s[3])) return {{"(n, C, H, W)", "images.transpose(0, 2, 3, 1)"}};
  if (is_color(s[2]) && (square_in_front || (!is_color(s[3]) && s[2] != 1 && s[1] > widest_color)))
    return {{"(H, W, C, n)", "numpy.moveaxis(images, 3, 0)"}};
  return std::nullopt;
}

void check_layout(const Shape& shape, const std::optional<ImageShape>& model) {
  const auto order = other_order(shape);
  if (!order || model == ImageShape{shape[1], shape[2], shape.size() == 4 ? shape[3] : 1}) return;
  const bool channels_first = std::string_view(order->looks_like) == "(n, C, H, W)";
  fail("images have shape {}, which looks like {}: save {}{}, or set data.layout = \"nhwc\" if it is {}",
       shape_text(shape), order->looks_like, order->numpy,
       channels_first ? " or set data.layout = \"nchw\"" : "",
       shape.size() == 4 ? "(n, H, W, C)" : "(n, H, W)");
}

// (n, C, H, W) to (n, H, W, C).
Array channels_last(const Array& from) {
  const std::int64_t n = from.shape[0], c = from.shape[1], pixels = from.shape[2] * from.shape[3];
  const auto size = dtype_size(from.dtype);
  Array to{from.dtype, {n, from.shape[2], from.shape[3], c}, std::vector<std::byte>(from.data.size())};
  std::byte* out = to.data.data();
  for (std::int64_t item = 0; item < n; ++item)
    for (std::int64_t p = 0; p < pixels; ++p)
      for (std::int64_t k = 0; k < c; ++k, out += size)
        std::memcpy(out, from.data.data() + static_cast<std::size_t>((item * c + k) * pixels + p) * size,
                    size);
  return to;
}

Array in_order(Array images, const PixelOptions& options) {
  const auto& s = images.shape;
  if (images.rank() == 2)
    if (const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(s[1]))));
        side > 1 && side * side == s[1])
      fail("images have shape {}; (n, H, W) or (n, H, W, C) is needed: save images.reshape(-1, {}, {})",
           shape_text(s), side, side);
  if (images.rank() != 3 && images.rank() != 4)
    fail("images have shape {}; (n, H, W) or (n, H, W, C) is needed", shape_text(s));
  if (element_count(s, images.dtype) == 0) fail("there are no images: the shape is {}", shape_text(s));
  if (options.layout == Layout::automatic) check_layout(s, options.shape);
  if (images.rank() == 3)
    images.shape = Shape{s[0], s[1], s[2], 1};
  else if (options.layout == Layout::nchw)
    return channels_last(images);
  return images;
}

template <class T>
std::vector<float> divided(const Array& images, double scale) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(images.size()));
  for (const T x : images.as<T>()) {
    if constexpr (sizeof(T) < 4 || std::is_same_v<T, float>)  // exact as float, so divided as uint8 is
      values.push_back(static_cast<float>(x) / static_cast<float>(scale));
    else
      values.push_back(static_cast<float>(static_cast<double>(x) / scale));
  }
  return values;
}

std::vector<float> scaled(const Array& images, double scale) {
  switch (images.dtype) {
    case Dtype::i8: return divided<std::int8_t>(images, scale);
    case Dtype::u16: return divided<std::uint16_t>(images, scale);
    case Dtype::i16: return divided<std::int16_t>(images, scale);
    case Dtype::u32: return divided<std::uint32_t>(images, scale);
    case Dtype::i32: return divided<std::int32_t>(images, scale);
    case Dtype::u64: return divided<std::uint64_t>(images, scale);
    case Dtype::i64: return divided<std::int64_t>(images, scale);
    case Dtype::f64: return divided<double>(images, scale);
    default: return divided<float>(make_array(images.shape, images.as_f32()), scale);
  }
}

// Values that are 0 and 1 up to rounding, such as 1.0000001 of a mean in float32, are in [0, 1].
void clamp_rounding(std::span<float> values) {
  constexpr float tolerance = 1e-6F;
  const auto [lowest, highest] = std::ranges::minmax(values);
  if (lowest >= -tolerance && highest <= 1 + tolerance && (lowest < 0 || highest > 1))
    for (float& x : values) x = std::clamp(x, 0.0F, 1.0F);
}

void check_floats(std::span<const float> values, std::int64_t item_size, bool any_finite) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] <= 1) continue;
    const std::int64_t item = static_cast<std::int64_t>(i) / item_size;
    if (!any_finite)
      fail("image {} holds {}; floats must be in [0, 1], or data.scale says which value becomes 1", item,
           values[i]);
    if (!std::isfinite(values[i])) fail("image {} holds {}; pixels must be finite", item, values[i]);
  }
}

// The scale of one integer type says nothing about another.
void check_type(Dtype stored, const PixelOptions& options) {
  if (!options.scale || !options.scale_of || *options.scale_of == stored ||
      pixel_kind(stored) != PixelKind::integers || pixel_kind(*options.scale_of) != PixelKind::integers)
    return;
  fail(
      "images are {}, the model was trained on {}: convert them, or set data.scale, the value that becomes 1",
      dtype_name(stored), dtype_name(*options.scale_of));
}

double scale_of_bytes(std::span<const std::uint8_t> bytes, std::optional<Dtype> trained) {
  const auto highest = std::ranges::max(bytes);
  if (highest == 1 && trained)
    fail(
        "images are uint8 with no value above 1, which may be a mask or almost black, and the model was "
        "trained on {}: "
        "set data.scale = 1 or data.scale = 255",
        dtype_name(*trained));
  return highest <= 1 ? 1 : 255;
}

}  // namespace

PixelKind pixel_kind(Dtype stored) {
  if (stored == Dtype::boolean) return PixelKind::booleans;
  return stored < Dtype::f16 ? PixelKind::integers : PixelKind::floats;
}

bool looks_like_another_order(const Shape& shape) { return other_order(shape).has_value(); }

Pixels make_pixels(Array given, const PixelOptions& options) {
  Pixels pixels{.images = in_order(std::move(given), options)};
  Array& images = pixels.images;
  pixels.stored = images.dtype;
  check_type(images.dtype, options);
  const bool stated =
      options.scale && (!options.scale_of || pixel_kind(*options.scale_of) == pixel_kind(images.dtype));
  if (images.dtype == Dtype::boolean) {
    images.dtype = Dtype::u8;
    for (std::byte& value : images.data) value = std::byte{value != std::byte{0}};
  } else if (stated) {
    pixels.scale = *options.scale;
  } else if (images.dtype == Dtype::u8) {
    pixels.scale = scale_of_bytes(images.as<std::uint8_t>(), options.scale_of);
  } else if (pixel_kind(images.dtype) == PixelKind::integers) {
    fail(
        "images are {}; uint8, bool and floats explain themselves, for {} set data.scale, the value that "
        "becomes 1",
        dtype_name(images.dtype), dtype_name(images.dtype));
  }

  if (images.dtype == Dtype::u8) {
    pixels.divisor = static_cast<float>(pixels.scale);
    const auto [lowest, highest] = std::ranges::minmax(images.as<std::uint8_t>());
    pixels.lowest = static_cast<float>(lowest) / pixels.divisor;
    pixels.highest = static_cast<float>(highest) / pixels.divisor;
    return pixels;
  }
  if (images.dtype != Dtype::f32 || pixels.scale != 1)
    images = make_array(images.shape, scaled(images, pixels.scale));
  const auto values = images.as<float>();
  clamp_rounding(values);
  check_floats(values, images.shape[1] * images.shape[2] * images.shape[3], stated);
  const auto [lowest, highest] = std::ranges::minmax(values);
  pixels.lowest = lowest;
  pixels.highest = highest;
  return pixels;
}

}  // namespace cuelbo
