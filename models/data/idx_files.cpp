// Finding the IDX files of a data set under the names and in the layouts that archives use.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <system_error>
#include <tuple>

#include "engine/error.hpp"
#include "engine/io/idx.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/labelled_images.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

struct IdxName {
  std::string dataset;  // "emnist-letters", or empty
  bool test = false, validation = false, labels = false, gzip = false;
  bool copy = false;  // train-images-idx3-ubyte (1).gz, as browsers name a second download
};

// "a (1).gz" becomes "a.gz".
std::string without_copy_number(std::string file_name) {
  const std::size_t open = file_name.rfind('('),
                    close = file_name.find(')', open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos || close == open + 1) return file_name;
  if (file_name.find_first_not_of("0123456789", open + 1) != close) return file_name;
  const std::size_t begin = open > 0 && file_name[open - 1] == ' ' ? open - 1 : open;
  return file_name.erase(begin, close + 1 - begin);
}

// train-images-idx3-ubyte, emnist-letters-test-labels.idx1-ubyte.gz, …
std::optional<IdxName> parse_idx_name(const std::string& file_name) {
  std::vector<std::string> words(1);
  const std::string original = without_copy_number(file_name);
  for (const char c : original) {
    if (c == '-' || c == '.' || c == '_') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  IdxName name;
  name.copy = original != file_name;
  constexpr std::array<std::string_view, 6> parts{"train", "test", "t10k", "val", "valid", "validation"};
  std::size_t at = 0;
  for (; at < words.size() && std::ranges::find(parts, words[at]) == parts.end(); ++at)
    name.dataset += (name.dataset.empty() ? "" : "-") + words[at];
  if (at + 2 >= words.size() || (words[at + 1] != "images" && words[at + 1] != "labels")) return std::nullopt;
  name.validation = words[at].starts_with("val");
  name.test = words[at].starts_with('t') && words[at] != "train";
  name.labels = words[at + 1] == "labels";
  for (at += 2; at < words.size(); ++at) {
    const bool known =
        words[at].starts_with("idx") || words[at] == "ubyte" || words[at] == "int" || words[at] == "gz";
    if (!known) return std::nullopt;
    name.gzip |= words[at] == "gz";
  }
  return name;
}

struct IdxFile {
  IdxName name;
  fs::path path;
};

// The IDX files in a folder: those in it, and in folders in it that bear a file's name.
std::vector<IdxFile> idx_files(const fs::path& folder) {
  std::vector<IdxFile> files;
  for (const fs::path& entry : folder_entries(folder)) {
    const auto name = parse_idx_name(entry.filename().string());
    if (!name) continue;
    std::error_code error;
    if (!fs::is_directory(entry, error)) {
      files.push_back({*name, entry});
      continue;
    }
    for (const fs::path& inner : folder_entries(entry))
      if (const auto inner_name = parse_idx_name(inner.filename().string());
          inner_name && !fs::is_directory(inner, error))
        files.push_back({*inner_name, inner});
  }
  // The first of several copies counts: that without a number, unpacked before packed, then by path; a folder's file comes
  // after one beside it.
  std::ranges::stable_sort(files, {}, [](const IdxFile& file) {
    return std::tuple(file.name.copy, file.name.gzip, std::distance(file.path.begin(), file.path.end()));
  });
  return files;
}

constexpr int deepest = 2;  // of the folders inside that are searched

bool holds_idx_files(const fs::path& folder, int depth) {
  try {
    if (!idx_files(folder).empty()) return true;
    return depth > 0 && std::ranges::any_of(folder_entries(folder), [&](const fs::path& entry) {
             std::error_code error;
             return fs::is_directory(entry, error) && holds_idx_files(entry, depth - 1);
           });
  } catch (const Error&) {  // it may not be read
    return false;
  }
}

bool is_training_images(const IdxFile& file) {
  return !file.name.test && !file.name.validation && !file.name.labels;
}

bool has_training_images(const std::vector<IdxFile>& files) {
  return std::ranges::any_of(files, is_training_images);
}

// The folder itself, or those inside that hold training images.
std::vector<fs::path> folders_with_images(const fs::path& folder, int depth = deepest) {
  if (has_training_images(idx_files(folder))) return {folder};
  std::vector<fs::path> found;
  if (depth == 0) return found;
  for (const fs::path& entry : folder_entries(folder)) {
    std::error_code error;
    if (!fs::is_directory(entry, error)) continue;
    try {
      const auto inner = folders_with_images(entry, depth - 1);
      found.insert(found.end(), inner.begin(), inner.end());
    } catch (const Error&) {
      continue;  // a folder that may not be read, such as lost+found, is not what is looked for
    }
  }
  return found;
}

// The first copy of a file; null if there is none. Others are noted.
const fs::path* find(const std::vector<IdxFile>& files, const std::string& dataset, bool test, bool labels,
                     std::vector<std::string>& notes) {
  const fs::path* found = nullptr;
  for (const IdxFile& file : files) {
    if (file.name.dataset != dataset || file.name.test != test || file.name.labels != labels ||
        file.name.validation)
      continue;
    if (found != nullptr)
      notes.push_back(fmt::format("reads '{}', not '{}'", found->string(), file.path.string()));
    else
      found = &file.path;
  }
  return found;
}

std::optional<LabelledImages> read_part(const std::vector<IdxFile>& files, const std::string& dataset,
                                        bool test) {
  std::vector<std::string> notes;
  const fs::path* images = find(files, dataset, test, false, notes);
  if (images == nullptr) return std::nullopt;
  LabelledImages part{.images = read_idx_images(*images)};
  if (const fs::path* labels = find(files, dataset, test, true, notes)) {
    part.factors = read_idx_labels(*labels);
    part.factor_names = {"class"};
    if (part.factors.shape[0] != part.images.shape[0])
      fail("'{}': {} labels for the {} images in '{}'", labels->string(), part.factors.shape[0],
           part.images.shape[0], images->string());
  }
  part.notes = std::move(notes);
  return part;
}

// The data set that is asked for, or the only one.
std::string choose_dataset(const std::vector<IdxFile>& files, const std::string& wanted) {
  std::vector<std::string> names;
  for (const IdxFile& file : files)
    if (is_training_images(file)) names.push_back(file.name.dataset);
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  if (wanted.empty() && names.size() == 1) return names[0];
  if (std::ranges::find(names, wanted) != names.end()) return wanted;
  if (wanted.empty())
    fail("holds several data sets: {}; name one: data.array = \"{}\"", fmt::join(names, ", "), names.back());
  fail("data.array is '{}'; the IDX files there are of {}", wanted, fmt::join(names, ", "));
}

LabelledImages read_folder(const std::string& name, const fs::path& path, const FileOptions& options) {
  const auto folders = in_context(fmt::format("'{}'", path.string()), [&] {
    auto found = folders_with_images(path);
    if (found.empty())
      fail("there is no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in this folder; it holds {}",
           folder_content(path));
    if (found.size() > 1) {
      std::string names;
      for (const fs::path& folder : found)
        names += fmt::format("{}'{}'", names.empty() ? "" : ", ", folder.string());
      fail("there are IDX files in {}; name one of these folders", names);
    }
    return found;
  });
  const fs::path& folder = folders[0];
  const auto files = idx_files(folder);
  const std::string dataset =
      in_context(fmt::format("'{}'", folder.string()), [&] { return choose_dataset(files, options.array); });
  LabelledImages found = *read_part(files, dataset, false);
  found.name = name;
  for (const IdxFile& file : files)
    if (file.name.validation && file.name.dataset == dataset)
      found.notes.push_back(fmt::format("ignores '{}': validation images are drawn from the training images",
                                        file.path.string()));
    else if (file.name.dataset != dataset && is_training_images(file))
      found.notes.push_back(fmt::format("ignores '{}', another data set: data.array = \"{}\" reads it",
                                        file.path.string(), file.name.dataset));
  if (folder != path) found.notes.push_back(fmt::format("reads the IDX files in '{}'", folder.string()));
  if (auto test = read_part(files, dataset, true)) {
    const bool has_labels = found.factors.rank() > 0, test_has_labels = test->factors.rank() > 0;
    if (has_labels != test_has_labels) {
      found.notes.push_back(
          fmt::format("the {} images have no labels, so those of the {} images are not used",
                      has_labels ? "test" : "training", has_labels ? "training" : "test"));
      for (LabelledImages* part : {&found, &*test}) {
        part->factors = {};
        part->factor_names.clear();
      }
    }
    in_context(fmt::format("'{}'", folder.string()), [&] { add_test_split(found, *test); });
  }
  if (dataset.starts_with("emnist") && !options.transpose)
    found.notes.emplace_back("EMNIST stores its images transposed; data.transpose = true puts them upright");
  return found;
}

}  // namespace

bool holds_idx_files(const fs::path& folder) { return holds_idx_files(folder, deepest); }

std::unique_ptr<Dataset> load_idx(const std::string& name, const fs::path& path, const FileOptions& options) {
  std::error_code error;
  LabelledImages found = fs::is_directory(path, error)
                             ? read_folder(name, path, options)
                             : LabelledImages{.name = name, .images = read_idx_images(path)};
  return in_context(fmt::format("'{}'", path.string()),
                    [&] { return make_dataset(std::move(found), options); });
}

}  // namespace cuelbo
