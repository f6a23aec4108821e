#include "models/data/open_dataset.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/describe.hpp"
#include "models/data/dsprites.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/picture_folder.hpp"
#include "models/data/unsupported_formats.hpp"
#include "models/data/where.hpp"

namespace cuelbo {
namespace {

constexpr std::array<std::string_view, 6> dataset_names{"dsprites", "mnist", "fashion-mnist",
                                                        "idx",      "npy",   "images"};

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

std::optional<Dtype> parse_scale_of(const std::string& name) {
  for (std::size_t i = 0; i < dtype_count; ++i)
    if (dtype_name(static_cast<Dtype>(i)) == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

FileOptions file_options(const DataConfig& config) {
  return {.array = config.array,
          .transpose = config.transpose,
          .pixels = {.scale = config.scale,
                     .scale_of = parse_scale_of(config.scale_of),
                     .layout = config.layout,
                     .shape = config.shape}};
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
    if (config.scale && config.scale_of == "any")
      usage_fail("data.scale is not used by dsprites, which is rendered as 0 and 1");
    return std::make_shared<Dsprites>();
  }
  const FileOptions options = file_options(config);
  if (config.name == "fashion-mnist") return open_fashion_mnist(config);
  if (config.name == "mnist") return load_idx("MNIST", needed_path(config), options);
  if (config.name == "idx") {
    const std::filesystem::path path = needed_path(config);
    return load_idx(data_name(path), path, options);
  }
  if (config.name == "npy") return load_npy(needed_path(config), options);
  if (config.name == "images") return load_pictures(needed_path(config), options);
  usage_fail("data.name is '{}'{}; it must be one of {}", config.name,
             did_you_mean(config.name, dataset_names), fmt::join(dataset_names, ", "));
}

bool holds_pictures(const std::filesystem::path& folder) {
  std::error_code error;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, error);
       !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    if (entry.depth() > 2) entry.disable_recursion_pending();
    const std::string extension = lower_extension(entry->path());
    if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") return true;
  }
  return false;
}

// Regular files only: bytes read from a pipe cannot be read again. Empty if no format is certain.
std::string format_of(const std::filesystem::path& path) {
  std::array<char, 6> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  const std::string_view bytes(start.data(), start.size());
  const bool packed_array = path.filename().string().find(".np") != std::string::npos;  // x.npy.gz
  if ((bytes.starts_with("\x1f\x8b") && !packed_array) || bytes.starts_with(std::string_view("\0\0\x08", 3)))
    return "idx";
  if (bytes.starts_with("\x89PNG") || bytes.starts_with("\xff\xd8\xff")) return "images";
  if (bytes == "\x93NUMPY" || (bytes.starts_with("PK\x03\x04") && lower_extension(path) == ".npz"))
    return "npy";
  return "";
}

// "; --set data.name=npy reads it", where data.name was wrong for what is at data.path.
std::string other_format(const DataConfig& config) {
  if (config.path.empty() || config.name == "dsprites") return "";
  std::error_code error;
  const auto status = std::filesystem::status(config.path, error);
  std::string found;
  if (is_directory(status))
    found = holds_idx_files(config.path) ? "idx" : holds_pictures(config.path) ? "images" : "";
  else if (is_regular_file(status))
    found = format_of(config.path);
  const std::filesystem::path path = config.path;
  if (lower_extension(path) == ".gz" && path.filename().string().find("ubyte") == std::string::npos)
    return "";  // anything, packed
  const bool same =
      found == config.name || (found == "idx" && config.name != "npy" && config.name != "images");
  return found.empty() || same ? "" : fmt::format("; --set data.name={} reads it", found);
}

std::shared_ptr<const Dataset> open_or_name_format(const DataConfig& config) {
  try {
    return open_whole(config);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    if (const std::string format = unsupported_format(config.path); !format.empty())
      fail("{} is {}", input_name(config.path), format);
    throw Error(error.what() + other_format(config));
  }
}

}  // namespace

DataConfig data_at(const std::string& name_or_path) {
  std::error_code error;
  const auto status = std::filesystem::status(name_or_path, error);
  if (!exists(status) && std::ranges::find(dataset_names, name_or_path) != dataset_names.end())
    return {.name = name_or_path};
  DataConfig config{.name = "npy", .path = name_or_path};
  if (is_directory(status)) config.name = holds_idx_files(name_or_path) ? "idx" : "images";
  if (is_regular_file(status)) {
    const std::string format = format_of(name_or_path);
    if (!format.empty())
      config.name = format;
    else if (has_picture_name(name_or_path))
      config.name = "images";
  }
  return config;
}

std::shared_ptr<const Dataset> open_dataset(const DataConfig& config, std::uint64_t seed) {
  if (config.layout != Layout::automatic && (config.name == "dsprites" || config.name == "images"))
    usage_fail("data.layout is for arrays (npy and idx); the axes of {} are known", config.name);
  std::shared_ptr<const Dataset> dataset = filter(open_or_name_format(config), config.where);
  if (config.binarize == Binarize::none) return dataset;
  if (dataset->info().lowest < 0 || dataset->info().highest > 1)
    fail("data.binarize = \"{}\" needs pixels in [0, 1], but those of {} are in {}",
         to_string(config.binarize), dataset->name(), range_text(*dataset));
  return std::make_shared<BinarizedDataset>(std::move(dataset), config.binarize, seed);
}

}  // namespace cuelbo
