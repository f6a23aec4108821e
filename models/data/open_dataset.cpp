#include "models/data/open_dataset.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "models/data/dsprites.hpp"
#include "models/data/image_files.hpp"
#include "models/data/where.hpp"

namespace cuelbo {
namespace {

// Where Debian's package puts it.
constexpr const char* fashion_mnist_folder = "/usr/share/datasets/fashion-mnist";

const std::string& needed_path(const DataConfig& config) {
  if (config.path.empty()) {
    const char* what = config.name == "npy"      ? "an .npy or .npz file"
                       : config.name == "images" ? "a folder of PNG or JPEG files"
                                                 : "the folder with the IDX files";
    usage_fail("data.path is missing: {} needs {}: --set data.path=…", config.name, what);
  }
  return config.path;
}

FileOptions file_options(const DataConfig& config) {
  return {.array = config.array, .transpose = config.transpose};
}

std::shared_ptr<const Dataset> open_fashion_mnist(const DataConfig& config) {
  const FileOptions options = file_options(config);
  if (!config.path.empty()) return load_idx("Fashion-MNIST", config.path, options);
  std::error_code error;
  if (!std::filesystem::is_directory(fashion_mnist_folder, error))
    fail(
        "Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist, or name the folder of its "
        "IDX files by data.path");
  return load_idx("Fashion-MNIST", fashion_mnist_folder, options);
}

std::shared_ptr<const Dataset> open_whole(const DataConfig& config) {
  if (config.name == "dsprites") {
    if (!config.path.empty())
      usage_fail("data.path is not used by dsprites, which is rendered; data.name = \"npy\" reads a file");
    if (!config.array.empty() || config.transpose)
      usage_fail("data.array and data.transpose are not used by dsprites, which is rendered");
    return std::make_shared<Dsprites>();
  }
  const FileOptions options = file_options(config);
  if (config.name == "fashion-mnist") return open_fashion_mnist(config);
  if (config.name == "mnist") return load_idx("MNIST", needed_path(config), options);
  if (config.name == "idx") {
    const std::filesystem::path path = needed_path(config);
    return load_idx(path.stem().string(), path, options);
  }
  if (config.name == "npy") return load_npy(needed_path(config), options);
  if (config.name == "images") return load_pictures(needed_path(config), options);
  constexpr std::array<std::string_view, 6> names{"dsprites", "mnist", "fashion-mnist",
                                                  "idx",      "npy",   "images"};
  usage_fail("data.name is '{}'{}; it must be one of {}", config.name, did_you_mean(config.name, names),
             fmt::join(names, ", "));
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const DataConfig& config) {
  return filter(open_whole(config), config.where);
}

}  // namespace cuelbo
