#include "models/data/picture_list.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <string_view>

#include "engine/error.hpp"
#include "models/data/array_names.hpp"
#include "models/data/folder_content.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

void add_pictures_below(const PictureFolder& folder, std::vector<fs::path>& pictures) {
  pictures.insert(pictures.end(), folder.pictures.begin(), folder.pictures.end());
  for (const PictureFolder& inner : folder.folders) add_pictures_below(inner, pictures);
}

// Words of a folder's name in lower case: "trainA" and "train_a" have two.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words;
  bool inside = false, small = false;
  for (const char c : name) {
    const bool is_letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    const bool is_small = std::islower(static_cast<unsigned char>(c)) != 0;
    if (is_letter && (!inside || (small && !is_small))) words.emplace_back();
    if (is_letter) words.back() += c;
    inside = is_letter;
    small = is_small;
  }
  for (std::string& word : words) word = lower_case(word);
  return words;
}

// Whether a folder holds masks or labels of the pictures elsewhere: masks, SegmentationClass, ground_truth, trainannot.
// "with_mask" may be a class.
bool holds_masks(const PictureFolder& folder) {
  constexpr std::array<std::string_view, 10> names{"mask",   "masks",   "label",       "labels", "gt",
                                                   "target", "targets", "groundtruth", "seg",    "segs"};
  constexpr std::array<std::string_view, 2> beginnings{"annot", "segment"};
  std::string name = fmt::format("{}", fmt::join(words_of(folder.name()), ""));
  for (const std::string_view part : {"training", "train", "testing", "test", "validation", "valid", "val"})
    if (name.starts_with(part)) {  // train_masks, trainannot
      name.erase(0, part.size());
      break;
    }
  return std::ranges::find(names, name) != names.end() ||
         std::ranges::any_of(beginnings, [&](std::string_view text) { return name.starts_with(text); });
}

bool speaks_of_masks(const PictureFolder& folder) {
  return holds_masks(folder) || lower_case(folder.name()).find("mask") != std::string::npos;
}

std::string names_of(const std::vector<const PictureFolder*>& folders) {
  std::string names;
  for (const PictureFolder* folder : folders) names += (names.empty() ? "" : ", ") + folder->name();
  return names;
}

// Beside a folder called images, others hold masks, labels or previews and no second class; beside one called masks, others
// hold the pictures. At every depth: below a class, both would be pictures of it.
void refuse_masks(const PictureFolder& folder) {
  std::vector<const PictureFolder*> masks, others, beside_images;
  std::string images;
  for (const PictureFolder& inner : folder.folders) {
    const std::string name = lower_case(inner.name());
    if (name == "images" || name == "imgs")
      images = inner.name();
    else
      beside_images.push_back(&inner);
    (holds_masks(inner) ? masks : others).push_back(&inner);
  }
  const bool are_classes = std::ranges::all_of(folder.folders, speaks_of_masks);  // mask, no_mask
  if (!images.empty() && !beside_images.empty())
    fail(
        "'{}' holds a folder '{}', but also pictures in {}: name one of them by data.path, or rename '{}' if "
        "it is a class",
        folder.path.string(), images, names_of(beside_images), images);
  if (!masks.empty() && !are_classes && !others.empty()) {
    const auto train = std::ranges::find(others, FolderPart::train,
                                         [](const PictureFolder* inner) { return part_of(inner->name()); });
    const PictureFolder& right = train == others.end() ? *others.front() : **train;
    fail(
        "'{}' holds what looks like masks or labels ({}), but also pictures in {}: name one folder by "
        "data.path, as in '{}', or rename '{}' if it is a class",
        folder.path.string(), names_of(masks), names_of(others), right.path.string(), masks.front()->name());
  }
  std::ranges::for_each(folder.folders, refuse_masks);
}

// Pictures of a class that has masks in a folder beside its pictures.
void refuse_masks_beside_pictures(const PictureFolder& folder) {
  for (const PictureFolder& inner : folder.folders)
    if (!folder.pictures.empty() && holds_masks(inner))
      fail(
          "'{}' holds pictures, but also what looks like masks or labels in '{}': move those elsewhere, or "
          "name one "
          "folder by data.path",
          folder.path.string(), inner.name());
  std::ranges::for_each(folder.folders, refuse_masks_beside_pictures);
}

// The words of a folder's name without the first one of `parts`; empty if there is none.
std::string without_part(const PictureFolder& folder, std::initializer_list<std::string_view> parts) {
  std::vector<std::string> words = words_of(folder.name());
  const auto found = std::ranges::find_first_of(words, parts);
  if (found == words.end() || words.size() == 1) return "";
  found->assign(1, '*');
  return fmt::format("{}", fmt::join(words, " "));
}

// The folders inside that look like parts of a data set: trainA, hold-out, valid_small. those for training first. None if they
// may be classes, as "train" alone may be, or "train_station" beside "train_interior".
std::vector<const PictureFolder*> parts_in(const PictureFolder& folder) {
  using Words = std::vector<std::string>;
  const Words train_words{"train", "training"};
  const Words other_words{"test",       "testing", "val",     "valid", "validation", "dev",       "eval",
                          "evaluation", "holdout", "heldout", "extra", "unlabeled",  "unlabelled"};
  const auto begins_or_ends = [](const Words& words, const Words& with) {
    return !words.empty() && (std::ranges::find(with, words.front()) != with.end() ||
                              std::ranges::find(with, words.back()) != with.end() ||
                              std::ranges::find(with, fmt::format("{}", fmt::join(words, ""))) != with.end());
  };
  std::vector<const PictureFolder*> train, others;
  int numbered = 0;  // train, train1, trainA
  for (const PictureFolder& inner : folder.folders) {
    const Words words = words_of(inner.name());
    const bool is_other = begins_or_ends(words, other_words), is_train = begins_or_ends(words, train_words);
    if (is_other)
      others.push_back(&inner);
    else if (is_train)
      train.push_back(&inner);
    if (is_train && (words.size() == 1 || (words.size() == 2 && words.back().size() == 1))) ++numbered;
  }
  // DIV2K_train_HR beside DIV2K_valid_HR
  for (const PictureFolder& inner : folder.folders)
    for (const PictureFolder& other : folder.folders)
      if (const std::string rest = without_part(inner, {"train"});
          !rest.empty() && without_part(other, {"test", "valid", "val"}) == rest) {
        if (std::ranges::find(train, &inner) == train.end()) train.push_back(&inner);
        if (std::ranges::find(others, &other) == others.end()) others.push_back(&other);
      }
  const bool all_are_others = others.size() == folder.folders.size() && others.size() > 1;
  if (!all_are_others && (train.empty() || others.empty()) && numbered < 2) return {};
  train.insert(train.end(), others.begin(), others.end());
  return train;
}

// The pictures of the folder itself, else those below the folders in it: one class each.
PictureList pictures_and_classes(const PictureFolder& folder, std::vector<std::string>& notes) {
  PictureList list{.pictures = folder.pictures, .classes = {}};
  if (!list.pictures.empty()) {
    std::vector<std::string> ignored;
    for (const PictureFolder& inner : folder.folders) ignored.push_back(inner.name());
    if (!ignored.empty())
      notes.push_back(fmt::format("reads the pictures in '{}' itself, not those in its folders {}",
                                  folder.path.string(), fmt::join(ignored, ", ")));
    return list;
  }
  refuse_masks(folder);
  std::ranges::for_each(folder.folders, refuse_masks_beside_pictures);
  if (const auto parts = parts_in(folder); !parts.empty())
    fail(
        "'{}' holds folders that look like parts of a data set ({}): name one by data.path, as in '{}', or "
        "rename them if they are classes",
        folder.path.string(), names_of(parts), parts.front()->path.string());
  std::vector<std::string> with_parts;
  for (const PictureFolder& inner : folder.folders) {
    if (const auto parts = parts_in(inner); !parts.empty())
      with_parts.push_back(fmt::format("'{}' ({})", inner.name(), names_of(parts)));
    add_pictures_below(inner, list.pictures);
    list.classes.resize(list.pictures.size(), inner.name());
  }
  if (!with_parts.empty())
    notes.push_back(
        fmt::format("{} of the classes hold folders that look like parts of a data set, as {}: all of their "
                    "pictures are read alike",
                    with_parts.size(), with_parts.front()));
  return list;
}

// The train, test and validation folders that exist.
struct SplitFolders {
  const PictureFolder *train = nullptr, *test = nullptr;
  std::vector<std::string> validation, predictions;

  explicit SplitFolders(const PictureFolder& folder) {
    if (!folder.pictures.empty()) return;
    std::vector<std::string> others;
    bool spelled_out = false;  // "tr" and "te" may also be languages
    for (const PictureFolder& inner : folder.folders) {
      const FolderPart part = holds_masks(inner) ? FolderPart::none : part_of(inner.name());
      if (part == FolderPart::train && train == nullptr)
        train = &inner;
      else if (part == FolderPart::test && test == nullptr)
        test = &inner;
      else if (part == FolderPart::validation)
        validation.push_back(inner.name());
      else if (part == FolderPart::prediction)
        predictions.push_back(inner.name());
      else
        others.push_back(inner.name());
      spelled_out |= part != FolderPart::none && part != FolderPart::train && inner.name().size() > 2;
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

// Follows folders that hold nothing but one folder.
const PictureFolder& descend(const PictureFolder& start, std::vector<std::string>& notes) {
  const PictureFolder* folder = &start;
  while (const PictureFolder* inner = folder->only_folder()) folder = inner;
  if (folder != &start) notes.push_back(fmt::format("reads the pictures in '{}'", folder->path.string()));
  return *folder;
}

// Whether a folder's name cannot be a class: images, img, seg_train. Names of one or two letters can: "x", "tr".
bool is_no_class(const std::string& name) {
  const auto parsed = parse_array_name(name);
  return name.size() > 2 &&
         (part_of(name) != FolderPart::none || (parsed && parsed->role == ArrayName::Role::images));
}

// train/images and seg_train/seg_train stand for the training images, but train/dog is a class of them.
const PictureFolder& descend_in_part(const PictureFolder& part) {
  const PictureFolder* folder = &part;
  for (const PictureFolder* inner = folder->only_folder(); inner != nullptr && is_no_class(inner->name());
       inner = folder->only_folder())
    folder = inner;
  return *folder;
}

// The class of pictures that have none, where others have one.
constexpr std::string_view no_class = "(none)";

// Training images, behind them the test images.
PictureList list_split(const SplitFolders& split, const PictureFolder& folder,
                       std::vector<std::string>& notes) {
  if (!split.validation.empty())
    notes.push_back(fmt::format("ignores {} in '{}': validation images are drawn from the training images",
                                fmt::join(split.validation, ", "), folder.path.string()));
  if (!split.predictions.empty())
    notes.push_back(fmt::format("ignores {} in '{}': neither training nor test images",
                                fmt::join(split.predictions, ", "), folder.path.string()));
  const PictureFolder& train = descend_in_part(*split.train);
  PictureList list = pictures_and_classes(train, notes);
  if (split.test == nullptr) {
    notes.push_back(fmt::format("trains on '{}'", train.path.string()));
    return list;
  }
  const PictureFolder& test = descend_in_part(*split.test);
  PictureList more = pictures_and_classes(test, notes);
  notes.push_back(fmt::format("trains on '{}', tests on '{}'", train.path.string(), test.path.string()));
  list.test_size = std::ssize(more.pictures);
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

}  // namespace

PictureList list_pictures(const PictureFolder& root, std::vector<std::string>& notes) {
  const PictureFolder& folder = descend(root, notes);
  const SplitFolders split(folder);
  return split.is_split() ? list_split(split, folder, notes) : pictures_and_classes(folder, notes);
}

}  // namespace cuelbo
