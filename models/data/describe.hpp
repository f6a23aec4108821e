// Descriptions of a data set for messages.
#pragma once

#include <string>

#include "models/data/binarize.hpp"
#include "models/data/dataset.hpp"

namespace cuelbo {

// "60 images of 16×16 with 3 channels"
std::string image_text(const Dataset& dataset);

std::string image_text(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels);

// "uint8 divided by 255", "uint8 divided by 255, transposed"
std::string scale_text(const Dataset& dataset);

// ", binarize threshold", or nothing
std::string binarize_text(Binarize how);

// "[0, 1]", before binarization
std::string range_text(const Dataset& dataset);

}  // namespace cuelbo
