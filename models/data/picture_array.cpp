#include "models/data/picture_array.hpp"

#include <algorithm>

#include "engine/error.hpp"
#include "engine/io/image.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {
namespace {

std::vector<std::byte> rgb(std::span<const std::byte> grey) {
  std::vector<std::byte> pixels;
  pixels.reserve(3 * grey.size());
  for (const std::byte value : grey) pixels.insert(pixels.end(), 3, value);
  return pixels;
}

}  // namespace

void PictureArray::add(const std::filesystem::path& path) {
  const ReducedImage read = read_reduced_image(path);
  const Image& image = read.image;
  if (read.from_16_bits) {
    ++from_16_bits_;
    highest_of_16_bits_ = std::max(highest_of_16_bits_, std::ranges::max(image.pixels));
  }
  animated_ += static_cast<int>(read.is_first_frame);
  with_further_ += static_cast<int>(read.has_further);
  if (count_ == 0) {
    height_ = image.height;
    width_ = image.width;
    first_ = path;
  }
  if (image.height != height_ || image.width != width_)
    fail("{}: a picture of {}×{} pixels (height × width), but {} has {}×{}; all must be equal",
         input_name(path), image.height, image.width, input_name(first_), height_, width_);
  if (image.channels == 3 && !is_rgb()) data_ = rgb(data_);
  ++(image.channels == 1 ? grey_ : color_);
  const auto pixels = std::as_bytes(std::span(image.pixels));
  check_fits_in_memory(data_.size() + 3 * pixels.size());
  if (image.channels == 1 && is_rgb()) {
    const auto wide = rgb(pixels);
    data_.insert(data_.end(), wide.begin(), wide.end());
  } else {
    data_.insert(data_.end(), pixels.begin(), pixels.end());
  }
  ++count_;
}

LabelledImages PictureArray::take(double scale) {
  // Twelve bits or fewer were stored in sixteen.
  if (from_16_bits_ > 0 && highest_of_16_bits_ < scale / 16)
    fail(
        "'{}' and others have 16 bits, but no value of 4096 or more: as bytes they would be almost black. "
        "Save them as 8 bits, or as an .npy of uint16 with data.scale",
        first_.string());
  LabelledImages found;
  if (from_16_bits_ > 0)
    found.notes.push_back(
        fmt::format("{} of the pictures have 16 bits: the upper 8 are kept", from_16_bits_));
  if (with_further_ > 0)
    found.notes.push_back(fmt::format(
        "{} of the JPEG files hold several pictures (MPO): the first of each is read", with_further_));
  if (animated_ > 0)
    found.notes.push_back(
        fmt::format("{} of the pictures are animated: one frame of each is read", animated_));
  found.images = {Dtype::u8, {count_, height_, width_, is_rgb() ? 3 : 1}, std::move(data_)};
  if (grey_ > 0 && color_ == 0 && model_is_rgb_)
    found.notes.emplace_back("grey pictures become RGB, which the model takes");
  else if (grey_ > 0 && color_ > 0)
    found.notes.push_back(
        fmt::format("{} of the pictures are RGB and {} grey; the grey ones become RGB", color_, grey_));
  return found;
}

}  // namespace cuelbo
