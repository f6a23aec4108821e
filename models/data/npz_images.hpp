// The choice of images, factors, labels and a test split among the arrays of an .npz.
#pragma once

#include <string>

#include "engine/io/npz.hpp"
#include "models/data/labelled_images.hpp"

namespace cuelbo {

// `wanted` names the array with the images; empty: a usual name decides. The data set is called `name`. Errors: none or
// several arrays may be the images, factors that do not fit them.
LabelledImages read_npz_images(const NpzReader& archive, const std::string& name, const std::string& wanted);

}  // namespace cuelbo
