// Data sets of image files. Errors name the file, and where it applies the item, and say what would be right. What was
// chosen, ignored or converted is in the data set's notes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "models/data/dataset.hpp"
#include "models/data/pixels.hpp"

namespace cuelbo {

struct FileOptions {
  std::string
      array;  // which array of an .npz, or which data set of a folder with several; empty: the only one
  bool transpose = false;  // swap height and width, as EMNIST needs it
  PixelOptions pixels = {};
};

// A folder with the IDX files of MNIST or of a data set made like it: train-images-idx3-ubyte and, if they are there,
// train-labels-idx1-ubyte (the factor "class") and the two of t10k or test (the test split). Each may have .gz, a dot
// in place of a dash, a name in front (emnist-letters-train-…), and be in a folder of its own name; the files may
// be in a folder inside, as in MNIST/raw. Or a single file of IDX images.
std::unique_ptr<Dataset> load_idx(const std::string& name, const std::filesystem::path& path,
                                  const FileOptions& options = {});

// Whether a file in the folder, to the depth that load_idx searches, has a name that load_idx knows.
bool holds_idx_files(const std::filesystem::path& folder);

// Images in an .npy or .npz, also from a pipe or standard input, "-". In an .npz they are the only array, or the one
// with a usual name (models/data/array_names.hpp); `factors` or `latents_classes` (n, K), or labels
// such as `y_train`, are its factors, and `x_test` with `y_test` its test split.
std::unique_ptr<Dataset> load_npy(const std::filesystem::path& path, const FileOptions& options = {});

// The .png, .jpg and .jpeg files of a folder, sorted by name; all of one size, and RGB if any is. A folder without
// pictures of its own has one class per folder inside, whose names are the labels of the factor "class"; if those are
// called train and test, the test split is taken from there. Or a single picture, also from standard input.
std::unique_ptr<Dataset> load_pictures(const std::filesystem::path& path, const FileOptions& options = {});

}  // namespace cuelbo
