#include "models/data/image_files.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>

#include "engine/io/idx.hpp"
#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/array_dataset.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

std::string quoted(const fs::path& path) { return fmt::format("'{}'", path.string()); }

// "train-images" and rank 3: train-images-idx3-ubyte, .gz, or with a dot before idx3.
std::optional<fs::path> find_idx(const fs::path& folder, std::string_view stem, int rank) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      fs::path path = folder / fmt::format("{}{}idx{}-ubyte{}", stem, separator, rank, ending);
      std::error_code error;
      if (fs::exists(path, error)) return path;
    }
  }
  return std::nullopt;
}

struct IdxPart {
  Array images;
  std::optional<Array> labels;
};

std::optional<IdxPart> read_idx_part(const fs::path& folder, std::string_view prefix) {
  const auto images_path = find_idx(folder, fmt::format("{}-images", prefix), 3);
  if (!images_path) return std::nullopt;
  IdxPart part{read_idx_images(*images_path), std::nullopt};
  if (const auto labels_path = find_idx(folder, fmt::format("{}-labels", prefix), 1)) {
    part.labels = read_idx_labels(*labels_path);
    if (part.labels->shape[0] != part.images.shape[0])
      fail("'{}': {} labels for the {} images in '{}'", labels_path->string(), part.labels->shape[0],
           part.images.shape[0], images_path->string());
  }
  return part;
}

void append(Array& array, const Array& more) {
  array.data.insert(array.data.end(), more.data.begin(), more.data.end());
  array.shape[0] += more.shape[0];
}

std::unique_ptr<Dataset> load_idx_folder(std::string name, const fs::path& folder) {
  auto train = read_idx_part(folder, "train");
  if (!train)
    fail("'{}': there is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in this folder",
         folder.string());
  std::int64_t test_size = 0;
  if (auto test = read_idx_part(folder, "t10k")) {
    test_size = test->images.shape[0];
    if (!std::equal(test->images.shape.begin() + 1, test->images.shape.end(),
                    train->images.shape.begin() + 1))
      fail("'{}': training images {} and test images {} differ in size", folder.string(),
           shape_text(train->images.shape), shape_text(test->images.shape));
    if (train->labels.has_value() != test->labels.has_value())
      fail("'{}': only one of the training and the test images has labels", folder.string());
    append(train->images, test->images);
    if (train->labels) append(*train->labels, *test->labels);
  }
  return in_context(quoted(folder), [&] {
    return std::make_unique<ArrayDataset>(std::move(name), std::move(train->images),
                                          train->labels.value_or(Array{}), std::vector<std::string>{"class"},
                                          test_size);
  });
}

std::unique_ptr<Dataset> load_npz(const fs::path& path) {
  const NpzReader archive(path);
  Array images = archive.read(archive.contains("imgs") && !archive.contains("images") ? "imgs" : "images");
  Array factors;
  for (const char* key : {"latents_classes", "factors"})
    if (archive.contains(key)) factors = archive.read(key);
  return in_context(quoted(path), [&] {
    return std::make_unique<ArrayDataset>(path.stem().string(), std::move(images), factors);
  });
}

bool starts_like_zip(const fs::path& path) {
  return in_context(quoted(path), [&] {
    std::array<char, 4> start{};
    InputFile file(path);
    return file.read(std::as_writable_bytes(std::span(start))) == start.size() && start[0] == 'P' &&
           start[1] == 'K';
  });
}

std::vector<fs::path> image_paths(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::string extension = entry->path().extension().string();
    std::ranges::transform(extension, extension.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if ((extension == ".png" || extension == ".jpg" || extension == ".jpeg") && !entry->is_directory())
      paths.push_back(entry->path());
  }
  if (error) fail("{}: cannot read the folder: {}", quoted(folder), error.message());
  if (paths.empty()) fail("{}: there is no .png, .jpg or .jpeg file in this folder", quoted(folder));
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

std::unique_ptr<Dataset> load_idx(std::string name, const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return load_idx_folder(std::move(name), path);
  Array images = read_idx_images(path);
  return in_context(quoted(path),
                    [&] { return std::make_unique<ArrayDataset>(std::move(name), std::move(images)); });
}

std::unique_ptr<Dataset> load_npy(const fs::path& path) {
  if (starts_like_zip(path) || path.extension() == ".npz") return load_npz(path);
  Array images = read_npy(path);
  return in_context(quoted(path),
                    [&] { return std::make_unique<ArrayDataset>(path.stem().string(), std::move(images)); });
}

std::unique_ptr<Dataset> load_image_folder(const fs::path& path) {
  const auto paths = image_paths(path);
  Array images{Dtype::u8, {}, {}};
  for (const fs::path& file : paths) {
    const Image image = read_image(file);
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(paths.size()), image.height, image.width,
                                          image.channels};
    if (images.shape.empty()) {
      images.shape = shape;
      const auto bytes = static_cast<std::uint64_t>(element_count(shape, Dtype::u8));
      in_context(quoted(path), [&] { check_fits_in_memory(bytes); });
      images.data.reserve(bytes);
    }
    if (shape != images.shape)
      fail("'{}': {}x{} pixels of {} channels, but '{}' has {}x{} of {}; all must be equal", file.string(),
           image.width, image.height, image.channels, paths[0].filename().string(), images.shape[2],
           images.shape[1], images.shape[3]);
    const auto bytes = std::as_bytes(std::span(image.pixels));
    images.data.insert(images.data.end(), bytes.begin(), bytes.end());
  }
  return in_context(quoted(path), [&] {
    const auto folder = fs::weakly_canonical(path);
    return std::make_unique<ArrayDataset>(folder.filename().string(), std::move(images));
  });
}

}  // namespace cuelbo
