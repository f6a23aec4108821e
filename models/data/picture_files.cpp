// Images from a folder of PNG and JPEG files, or from a single one.
#include <algorithm>
#include <set>
#include <system_error>

#include "engine/error.hpp"
#include "engine/io/input_file.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/labelled_images.hpp"
#include "models/data/picture_array.hpp"
#include "models/data/picture_list.hpp"
#include "models/data/unsupported_formats.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

std::string class_note(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), most));
  return fmt::format("{} classes, one per folder: {}{}", names.size(), fmt::join(names.begin(), end, ", "),
                     names.size() > most ? ", …" : "");
}

// "; 'a.parquet' is a Parquet table: …", of a folder without pictures.
std::string what_else(const fs::path& folder, const std::vector<std::string>& notes) {
  if (!notes.empty()) return "; " + notes.front();
  for (const fs::path& entry : folder_entries(folder))
    if (const std::string extension = lower_extension(entry); extension == ".npy" || extension == ".npz")
      return fmt::format("; data.path names one file of arrays, such as '{}'", entry.string());
    else if (const std::string format = unsupported_format(entry); !format.empty())
      return fmt::format("; '{}' is {}", entry.filename().string(), format);
  return "";
}

double scale_of_pictures(const PixelOptions& options) {
  const bool applies =
      options.scale && (!options.scale_of || pixel_kind(*options.scale_of) == PixelKind::integers);
  return applies ? *options.scale : 255;
}

LabelledImages read_pictures(const fs::path& path, const PixelOptions& options) {
  std::vector<std::string> notes;
  const PictureFolder root = scan_pictures(path, notes);
  if (root.empty())
    fail("'{}': there is no .png, .jpg or .jpeg file in this folder; it holds {}{}", path.string(),
         folder_content(path), what_else(path, notes));
  const PictureList list = list_pictures(root, notes);
  PictureArray pictures(options.shape);
  for (const fs::path& file : list.pictures) pictures.add(file);
  LabelledImages found = pictures.take(scale_of_pictures(options));
  found.test_size = list.test_size;
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
    found = read_pictures(path, options.pixels);
  } else {
    PictureArray single(options.pixels.shape);
    single.add(path);
    found = single.take(scale_of_pictures(options.pixels));
  }
  found.name = data_name(path);
  return in_context(input_name(path), [&] { return make_dataset(std::move(found), options); });
}

}  // namespace cuelbo
