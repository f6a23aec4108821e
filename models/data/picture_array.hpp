// Pictures of one size, collected into an array.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "models/data/labelled_images.hpp"

namespace cuelbo {

// RGB as soon as one of the pictures is, or if the model takes RGB.
class PictureArray {
 public:
  explicit PictureArray(const std::optional<ImageShape>& model)
      : model_is_rgb_(model && model->channels == 3) {}

  // Errors: those of read_image, another size than that of the first.
  void add(const std::filesystem::path& path);

  // The images, and notes on what was converted. Error: 16 bits of which so few are used that bytes divided by `scale`
  // are almost black.
  LabelledImages take(double scale);

 private:
  bool is_rgb() const { return color_ > 0 || model_is_rgb_; }

  bool model_is_rgb_;
  std::int64_t count_ = 0, height_ = 0, width_ = 0, grey_ = 0, color_ = 0, from_16_bits_ = 0, animated_ = 0,
               with_further_ = 0;
  std::uint8_t highest_of_16_bits_ = 0;
  std::filesystem::path first_;
  std::vector<std::byte> data_;
};

}  // namespace cuelbo
