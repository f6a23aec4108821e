// Data sets of image files. Errors name the file, and where it applies the item, and say what would be right.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "models/data/dataset.hpp"

namespace cuelbo {

// A folder laid out as MNIST is: train-images-idx3-ubyte and, if they are there, train-labels-idx1-ubyte (the
// factor "class") and the two t10k files (the test split); each plain or with .gz. Or a single file of IDX
// images.
std::unique_ptr<Dataset> load_idx(std::string name, const std::filesystem::path& path);

// Images in an .npy, or in an .npz as `images` (or `imgs`) with, if it is there, `factors` (or
// `latents_classes`) (n, K).
std::unique_ptr<Dataset> load_npy(const std::filesystem::path& path);

// The .png, .jpg and .jpeg files of a folder, sorted by name, folders in it ignored; all of one size, grey or
// RGB.
std::unique_ptr<Dataset> load_image_folder(const std::filesystem::path& path);

}  // namespace cuelbo
