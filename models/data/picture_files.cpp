// Images from a folder of PNG and JPEG files, or from a single one.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/image.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/array_names.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/labelled_images.hpp"
#include "models/run_lock.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> picture_extensions{".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
constexpr std::array<std::string_view, 9> other_extensions{".bmp", ".gif", ".tif",  ".tiff", ".webp",
                                                           ".ppm", ".pgm", ".heic", ".avif"};
constexpr std::array<std::string_view, 4> table_extensions{".csv", ".tsv", ".json", ".xml"};

enum class Part { none, train, test, validation, prediction };

std::string lower(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// The part of the data in a folder, by its name: train, test_set, val2017, seg_pred, …
Part part_of(const std::string& folder) {
  std::string name = lower(folder);
  const std::size_t letters = name.find_last_not_of("0123456789") + 1;
  if (letters > 2) name.resize(letters);
  if (name == "seg_pred") return Part::prediction;
  if (name.starts_with("seg_")) name.erase(0, 4);
  if (name.ends_with("set") && name.size() > 3) name.erase(name.size() - 3);
  const auto parsed = parse_array_name(name);
  if (!parsed) return Part::none;
  switch (parsed->part) {
    case ArrayName::Part::train: return Part::train;
    case ArrayName::Part::test: return Part::test;
    case ArrayName::Part::validation: return Part::validation;
    case ArrayName::Part::whole: return Part::none;
  }
  return Part::none;
}

struct Folder {
  fs::path path;
  std::vector<fs::path> pictures;  // in the folder itself, sorted by name
  std::vector<Folder> folders;     // those inside that hold pictures, themselves or below; sorted by name

  std::string name() const { return path.filename().string(); }
  bool empty() const { return pictures.empty() && folders.empty(); }
};

// An unreadable folder such as lost+found only gets a note, unless it is a part of the data: then it is an error.
std::vector<fs::path> readable_entries(const fs::path& folder, std::vector<std::string>& notes) {
  try {
    return folder_entries(folder);
  } catch (const Error& unreadable) {
    if (part_of(folder.filename().string()) != Part::none) throw;
    notes.push_back(fmt::format("skips {}", unreadable.what()));
    return {};
  }
}

// A data folder may hold runs, or be a run directory itself.
bool is_made_by_run(const fs::path& entry) {
  if (entry.filename() != "pictures") return false;
  const fs::path run = entry.parent_path();
  std::error_code error;
  return fs::exists(run / RunLock::file_name, error) ||
         (fs::exists(run / "config.toml", error) && fs::is_directory(run / "checkpoint", error));
}

// Notes what would be missed: pictures of other formats, "4 .webp", and a folder such as test without pictures.
// `above` are the folders that lead to this one, without links: one that leads back to them is not followed.
Folder scan(const fs::path& path, std::vector<std::string>& notes, std::vector<fs::path> above = {}) {
  constexpr std::size_t deepest = 8;
  Folder folder{.path = path, .pictures = {}, .folders = {}};
  std::error_code unknown;
  above.push_back(fs::canonical(path, unknown));
  std::map<std::string, int> others;
  for (const fs::path& entry : readable_entries(path, notes)) {
    std::error_code error;
    const std::string extension = lower_extension(entry);
    if (fs::is_directory(entry, error)) {
      if (std::ranges::find(above, fs::canonical(entry, error)) != above.end()) {
        notes.push_back(fmt::format("skips '{}': it leads back to a folder around it", entry.string()));
        continue;
      }
      if (above.size() > deepest) {
        notes.push_back(fmt::format("skips '{}': it is {} folders deep", entry.string(), above.size()));
        continue;
      }
      if (is_made_by_run(entry)) {
        notes.push_back(fmt::format("skips '{}': `cuelbo report` made it", entry.string()));
        continue;
      }
      Folder inner = scan(entry, notes, above);
      if (!inner.empty())
        folder.folders.push_back(std::move(inner));
      else if (part_of(inner.name()) != Part::none)
        notes.push_back(
            fmt::format("ignores '{}': there is no .png, .jpg or .jpeg file in it", entry.string()));
    } else if (std::ranges::find(picture_extensions, extension) != picture_extensions.end()) {
      folder.pictures.push_back(entry);
    } else if (std::ranges::find(other_extensions, extension) != other_extensions.end()) {
      ++others[extension];
    } else if (std::ranges::find(table_extensions, extension) != table_extensions.end()) {
      notes.push_back(fmt::format("ignores '{}': classes are taken from folders", entry.string()));
    }
  }
  for (const auto& [extension, count] : others)
    notes.push_back(
        fmt::format("ignores {} {} in '{}': PNG and JPEG are read", count, extension, path.string()));
  return folder;
}

void add_pictures_below(const Folder& folder, std::vector<fs::path>& pictures) {
  pictures.insert(pictures.end(), folder.pictures.begin(), folder.pictures.end());
  for (const Folder& inner : folder.folders) add_pictures_below(inner, pictures);
}

struct Listing {
  std::vector<fs::path> pictures;
  std::vector<std::string> classes;  // of each picture, or none
};

// Beside a folder called images, others hold masks, labels or previews and no second class.
void refuse_images_beside_others(const Folder& folder) {
  if (folder.folders.size() < 2) return;
  std::vector<std::string> others;
  std::string images;
  for (const Folder& inner : folder.folders) {
    const std::string name = lower(inner.name());
    if (name == "images" || name == "imgs")
      images = inner.name();
    else
      others.push_back(inner.name());
  }
  if (!images.empty() && !others.empty())
    fail(
        "'{}' holds a folder '{}', but also pictures in {}: name one of them by data.path, or rename '{}' if "
        "it is a class",
        folder.path.string(), images, fmt::join(others, ", "), images);
}

// The pictures of the folder itself, else those below the folders in it: one class each.
Listing list_pictures(const Folder& folder, std::vector<std::string>& notes) {
  Listing list{.pictures = folder.pictures, .classes = {}};
  if (!list.pictures.empty()) {
    std::vector<std::string> ignored;
    for (const Folder& inner : folder.folders) ignored.push_back(inner.name());
    if (!ignored.empty())
      notes.push_back(fmt::format("reads the pictures in '{}' itself, not those in its folders {}",
                                  folder.path.string(), fmt::join(ignored, ", ")));
    return list;
  }
  refuse_images_beside_others(folder);
  for (const Folder& inner : folder.folders) {
    add_pictures_below(inner, list.pictures);
    list.classes.resize(list.pictures.size(), inner.name());
  }
  return list;
}

// The train, test and validation folders that exist.
struct SplitFolders {
  const Folder *train = nullptr, *test = nullptr;
  std::vector<std::string> validation, predictions;

  explicit SplitFolders(const Folder& folder) {
    if (!folder.pictures.empty()) return;
    std::vector<std::string> others;
    bool spelled_out = false;  // "tr" and "te" may also be languages
    for (const Folder& inner : folder.folders) {
      const Part part = part_of(inner.name());
      if (part == Part::train && train == nullptr)
        train = &inner;
      else if (part == Part::test && test == nullptr)
        test = &inner;
      else if (part == Part::validation)
        validation.push_back(inner.name());
      else if (part == Part::prediction)
        predictions.push_back(inner.name());
      else
        others.push_back(inner.name());
      spelled_out |= part != Part::none && part != Part::train && inner.name().size() > 2;
    }
    if (others.empty()) return;
    if (train != nullptr && spelled_out)
      fail(
          "'{}' holds pictures for training in '{}' and other parts of the data, but also pictures in {}: "
          "move those elsewhere, or name one folder by data.path",
          folder.path.string(), train->name(), fmt::join(others, ", "));
    train = nullptr;  // classes, one of which happens to be called so
  }

  bool is_split() const {
    return train != nullptr && (test != nullptr || !validation.empty() || !predictions.empty());
  }
};

// Collects pictures of one size; RGB as soon as one of them is, or if the model takes RGB.
class PictureArray {
 public:
  explicit PictureArray(const std::optional<ImageShape>& model)
      : model_is_rgb_(model && model->channels == 3) {}

  void add(const fs::path& path) {
    const ReducedImage read = read_reduced_image(path);
    const Image& image = read.image;
    if (read.from_16_bits) {
      ++from_16_bits_;
      highest_of_16_bits_ = std::max(highest_of_16_bits_, std::ranges::max(image.pixels));
    }
    animated_ += static_cast<int>(read.is_first_frame);
    if (count_ == 0) {
      height_ = image.height;
      width_ = image.width;
      first_ = path;
    }
    if (image.height != height_ || image.width != width_)
      fail("{}: {}x{} pixels, but '{}' has {}x{}; all must be equal", input_name(path), image.width,
           image.height, first_.filename().string(), width_, height_);
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

  // `fresh`: no scale is known from training.
  LabelledImages take(bool fresh) {
    // Twelve bits or fewer were stored in sixteen.
    if (constexpr int least = 16; fresh && from_16_bits_ > 0 && highest_of_16_bits_ < least)
      fail(
          "'{}' and others have 16 bits, but no value of 4096 or more: as bytes they would be almost black. "
          "Save them as 8 bits, or as an .npy of uint16 with data.scale",
          first_.string());
    LabelledImages found;
    if (from_16_bits_ > 0)
      found.notes.push_back(
          fmt::format("{} of the pictures have 16 bits: the upper 8 are kept", from_16_bits_));
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

 private:
  bool is_rgb() const { return color_ > 0 || model_is_rgb_; }

  static std::vector<std::byte> rgb(std::span<const std::byte> grey) {
    std::vector<std::byte> pixels;
    pixels.reserve(3 * grey.size());
    for (const std::byte value : grey) pixels.insert(pixels.end(), 3, value);
    return pixels;
  }

  bool model_is_rgb_;
  std::int64_t count_ = 0, height_ = 0, width_ = 0, grey_ = 0, color_ = 0, from_16_bits_ = 0, animated_ = 0;
  std::uint8_t highest_of_16_bits_ = 0;
  fs::path first_;
  std::vector<std::byte> data_;
};

// The only folder in a folder without pictures of its own.
const Folder* only_folder(const Folder& folder) {
  return folder.pictures.empty() && folder.folders.size() == 1 ? folder.folders.data() : nullptr;
}

// Follows folders that hold nothing but one folder.
const Folder& descend(const Folder& start, std::vector<std::string>& notes) {
  const Folder* folder = &start;
  while (const Folder* inner = only_folder(*folder)) folder = inner;
  if (folder != &start) notes.push_back(fmt::format("reads the pictures in '{}'", folder->path.string()));
  return *folder;
}

// Whether a folder's name cannot be a class: images, img, seg_train. Names of one or two letters can: "x", "tr".
bool is_no_class(const std::string& name) {
  const auto parsed = parse_array_name(name);
  return name.size() > 2 &&
         (part_of(name) != Part::none || (parsed && parsed->role == ArrayName::Role::images));
}

// train/images and seg_train/seg_train stand for the training images, but train/dog is a class of them.
const Folder& descend_in_part(const Folder& part) {
  const Folder* folder = &part;
  for (const Folder* inner = only_folder(*folder); inner != nullptr && is_no_class(inner->name());
       inner = only_folder(*folder))
    folder = inner;
  return *folder;
}

// The class of pictures that have none, where others have one.
constexpr std::string_view no_class = "(none)";

std::string class_note(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), most));
  return fmt::format("{} classes, one per folder: {}{}", names.size(), fmt::join(names.begin(), end, ", "),
                     names.size() > most ? ", …" : "");
}

// Training images, behind them the test images.
Listing list_split(const SplitFolders& split, const Folder& folder, std::int64_t& test_size,
                   std::vector<std::string>& notes) {
  if (!split.validation.empty())
    notes.push_back(fmt::format("ignores {} in '{}': validation images are drawn from the training images",
                                fmt::join(split.validation, ", "), folder.path.string()));
  if (!split.predictions.empty())
    notes.push_back(fmt::format("ignores {} in '{}': neither training nor test images",
                                fmt::join(split.predictions, ", "), folder.path.string()));
  const Folder& train = descend_in_part(*split.train);
  Listing list = list_pictures(train, notes);
  if (split.test == nullptr) {
    notes.push_back(fmt::format("trains on '{}'", train.path.string()));
    return list;
  }
  const Folder& test = descend_in_part(*split.test);
  Listing more = list_pictures(test, notes);
  notes.push_back(fmt::format("trains on '{}', tests on '{}'", train.path.string(), test.path.string()));
  test_size = std::ssize(more.pictures);
  if (list.classes.empty() != more.classes.empty()) {
    notes.push_back(fmt::format("the {} images have no classes: theirs is called '{}'",
                                list.classes.empty() ? "training" : "test", no_class));
    list.classes.resize(list.pictures.size(), std::string(no_class));
    more.classes.resize(more.pictures.size(), std::string(no_class));
  }
  list.classes.insert(list.classes.end(), more.classes.begin(), more.classes.end());
  list.pictures.insert(list.pictures.end(), more.pictures.begin(), more.pictures.end());
  return list;
}

LabelledImages read_pictures(const fs::path& path, const std::optional<ImageShape>& model, bool fresh) {
  std::vector<std::string> notes;
  const Folder root = scan(path, notes);
  if (root.empty())
    fail("'{}': there is no .png, .jpg or .jpeg file in this folder; it holds {}{}{}", path.string(),
         folder_content(path), notes.empty() ? "" : "; ", notes.empty() ? "" : notes.front());
  const Folder& folder = descend(root, notes);
  const SplitFolders split(folder);
  std::int64_t test_size = 0;
  const Listing list =
      split.is_split() ? list_split(split, folder, test_size, notes) : list_pictures(folder, notes);

  PictureArray pictures(model);
  for (const fs::path& file : list.pictures) pictures.add(file);
  LabelledImages found = pictures.take(fresh);
  found.test_size = test_size;
  found.notes.insert(found.notes.begin(), notes.begin(), notes.end());
  if (!list.classes.empty()) {
    const std::set<std::string> names(list.classes.begin(), list.classes.end());
    const std::vector<std::string> labels(names.begin(), names.end());
    found.notes.insert(found.notes.begin(), class_note(labels));
    found.factor_names = {"class"};
    std::vector<std::int64_t> classes;
    for (const std::string& name : list.classes)
      classes.push_back(std::ranges::lower_bound(labels, name) - labels.begin());
    found.factors = make_array({std::ssize(classes)}, classes);
    found.labels = {labels};
  }
  return found;
}

}  // namespace

bool has_picture_name(const fs::path& path) {
  const std::string extension = lower_extension(path);
  return std::ranges::find(picture_extensions, extension) != picture_extensions.end() ||
         std::ranges::find(other_extensions, extension) != other_extensions.end();
}

std::unique_ptr<Dataset> load_pictures(const fs::path& path, const FileOptions& options) {
  std::error_code error;
  LabelledImages found;
  const bool fresh = !options.pixels.scale && options.pixels.scale_of == ScaleOf::any;
  if (fs::is_directory(path, error)) {
    found = read_pictures(path, options.pixels.shape, fresh);
  } else {
    PictureArray single(options.pixels.shape);
    single.add(path);
    found = single.take(fresh);
  }
  found.name = data_name(path);
  return in_context(input_name(path), [&] { return make_dataset(std::move(found), options); });
}

}  // namespace cuelbo
