// Images from a folder of PNG and JPEG files, or from a single one.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/image.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/array_names.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/labelled_images.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 5> extensions{".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
  std::error_code error;
  return std::ranges::find(extensions, lower_extension(path)) != extensions.end() &&
         !fs::is_directory(path, error);
}

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> pictures = folder_entries(folder);
  std::erase_if(pictures, [](const fs::path& path) { return !is_picture(path); });
  return pictures;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> folders = folder_entries(folder);
  std::error_code error;
  std::erase_if(folders, [&](const fs::path& path) { return !fs::is_directory(path, error); });
  return folders;
}

// Pictures of other formats, which would be missed: "4 .webp".
void note_other_formats(const fs::path& folder, std::vector<std::string>& notes) {
  constexpr std::array<std::string_view, 9> others{".bmp", ".gif", ".tif",  ".tiff", ".webp",
                                                   ".ppm", ".pgm", ".heic", ".avif"};
  std::map<std::string, int> counts;
  for (const fs::path& entry : folder_entries(folder))
    if (std::ranges::find(others, lower_extension(entry)) != others.end()) ++counts[lower_extension(entry)];
  for (const auto& [extension, count] : counts)
    notes.push_back(
        fmt::format("ignores {} {} in '{}': PNG and JPEG are read", count, extension, folder.string()));
}

// In the folder and all folders in it.
void add_pictures_below(const fs::path& folder, std::vector<fs::path>& pictures,
                        std::vector<std::string>& notes, int depth = 4) {
  const auto here = pictures_in(folder);
  pictures.insert(pictures.end(), here.begin(), here.end());
  note_other_formats(folder, notes);
  if (depth == 0) return;
  for (const fs::path& inner : folders_in(folder)) add_pictures_below(inner, pictures, notes, depth - 1);
}

struct Listing {
  std::vector<fs::path> pictures;
  std::vector<std::string> classes;  // of each picture, or none
  std::vector<std::string> notes;
};

// The pictures of the folder itself, else those below the folders in it: one class each.
Listing list_pictures(const fs::path& folder) {
  Listing list{.pictures = pictures_in(folder)};
  note_other_formats(folder, list.notes);
  if (!list.pictures.empty()) {
    std::vector<std::string> ignored;
    for (const fs::path& inner : folders_in(folder))
      if (!pictures_in(inner).empty()) ignored.push_back(inner.filename().string());
    if (!ignored.empty())
      list.notes.push_back(fmt::format("reads the pictures in '{}' itself, not those in its folders {}",
                                       folder.string(), fmt::join(ignored, ", ")));
    return list;
  }
  for (const fs::path& inner : folders_in(folder)) {
    add_pictures_below(inner, list.pictures, list.notes);
    list.classes.resize(list.pictures.size(), inner.filename().string());
  }
  if (list.pictures.empty())
    fail("'{}': there is no .png, .jpg or .jpeg file in this folder; it holds {}", folder.string(),
         folder_content(folder));
  return list;
}

// Folders called train and test, or train and validation: what there is of train, test and other ones.
struct SplitFolders {
  std::optional<fs::path> train, test;
  std::vector<std::string> others;

  explicit SplitFolders(const fs::path& folder) {
    if (!pictures_in(folder).empty()) return;
    bool whole_names = true;
    for (const fs::path& inner : folders_in(folder)) {
      const auto name = parse_array_name(inner.filename().string());
      const auto part = name ? name->part : ArrayName::Part::whole;
      if (part == ArrayName::Part::train && !train)
        train = inner;
      else if (part == ArrayName::Part::test && !test)
        test = inner;
      else
        others.push_back(inner.filename().string());
      whole_names &= part != ArrayName::Part::whole;
    }
    if (!whole_names) train.reset();  // classes, one of which happens to be called so
  }
};

// Collects pictures of one size; RGB as soon as one of them is.
class PictureArray {
 public:
  void add(const fs::path& path) {
    const Image image = read_image(path);
    if (count_ == 0) {
      height_ = image.height;
      width_ = image.width;
      first_ = path;
    }
    if (image.height != height_ || image.width != width_)
      fail("{}: {}x{} pixels, but '{}' has {}x{}; all must be equal", input_name(path), image.width,
           image.height, first_.filename().string(), width_, height_);
    ++(image.channels == 1 ? grey_ : color_);
    if (image.channels == 3 && grey_ == count_) data_ = rgb(data_);
    const auto pixels = std::as_bytes(std::span(image.pixels));
    check_fits_in_memory(data_.size() + 3 * pixels.size());
    if (image.channels == 1 && color_ > 0) {
      const auto wide = rgb(pixels);
      data_.insert(data_.end(), wide.begin(), wide.end());
    } else {
      data_.insert(data_.end(), pixels.begin(), pixels.end());
    }
    ++count_;
  }

  LabelledImages take() {
    LabelledImages found;
    found.images = {Dtype::u8, {count_, height_, width_, color_ > 0 ? 3 : 1}, std::move(data_)};
    if (grey_ > 0 && color_ > 0)
      found.notes.push_back(
          fmt::format("{} of the pictures are RGB and {} grey; the grey ones become RGB", color_, grey_));
    return found;
  }

 private:
  static std::vector<std::byte> rgb(std::span<const std::byte> grey) {
    std::vector<std::byte> pixels;
    pixels.reserve(3 * grey.size());
    for (const std::byte value : grey) pixels.insert(pixels.end(), 3, value);
    return pixels;
  }

  std::int64_t count_ = 0, height_ = 0, width_ = 0, grey_ = 0, color_ = 0;
  fs::path first_;
  std::vector<std::byte> data_;
};

// A folder with nothing but one folder stands for that one.
fs::path descend(fs::path folder, std::vector<std::string>& notes) {
  const fs::path start = folder;
  for (int depth = 0; depth < 4 && pictures_in(folder).empty(); ++depth) {
    const auto folders = folders_in(folder);
    if (folders.size() != 1) break;
    folder = folders[0];
  }
  if (folder != start) notes.push_back(fmt::format("reads the pictures in '{}'", folder.string()));
  return folder;
}

std::string class_note(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), most));
  return fmt::format("{} classes, one per folder: {}{}", names.size(), fmt::join(names.begin(), end, ", "),
                     names.size() > most ? ", …" : "");
}

LabelledImages read_pictures(const fs::path& path) {
  std::vector<std::string> notes;
  const fs::path folder = descend(path, notes);
  const SplitFolders split(folder);
  const bool is_split = split.train && (split.test || !split.others.empty());
  Listing list = list_pictures(is_split ? *split.train : folder);
  std::int64_t test_size = 0;
  if (is_split && !split.others.empty())
    notes.push_back(fmt::format("ignores {} in '{}': validation images are drawn from the training images",
                                fmt::join(split.others, ", "), folder.string()));
  if (is_split && split.test) {
    const Listing test = list_pictures(*split.test);
    notes.push_back(
        fmt::format("trains on '{}', tests on '{}'", split.train->string(), split.test->string()));
    test_size = std::ssize(test.pictures);
    if (list.classes.empty() != test.classes.empty())
      notes.emplace_back("only one of the training and the test images has classes; they are not used");
    if (list.classes.empty() || test.classes.empty())
      list.classes.clear();
    else
      list.classes.insert(list.classes.end(), test.classes.begin(), test.classes.end());
    list.pictures.insert(list.pictures.end(), test.pictures.begin(), test.pictures.end());
    list.notes.insert(list.notes.end(), test.notes.begin(), test.notes.end());
  }

  PictureArray pictures;
  for (const fs::path& file : list.pictures) pictures.add(file);
  LabelledImages found = pictures.take();
  found.test_size = test_size;
  found.notes.insert(found.notes.begin(), list.notes.begin(), list.notes.end());
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

std::unique_ptr<Dataset> load_pictures(const fs::path& path, const FileOptions& options) {
  std::error_code error;
  LabelledImages found;
  if (fs::is_directory(path, error)) {
    found = read_pictures(path);
  } else {
    PictureArray single;
    single.add(path);
    found = single.take();
  }
  found.name = data_name(path);
  return in_context(input_name(path), [&] { return make_dataset(std::move(found), options); });
}

}  // namespace cuelbo
