// Images from .npy and .npz.
#include <algorithm>
#include <set>
#include <utility>

#include "engine/error.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/array_names.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/labelled_images.hpp"

namespace cuelbo {
namespace {

namespace fs = std::filesystem;
using Role = ArrayName::Role;
using Part = ArrayName::Part;

struct Member {
  std::string name;
  std::optional<NpyHeader> header;   // none: it holds no numbers
  std::optional<ArrayName> meaning;  // what its name says
};

bool is_integer(Dtype dtype) { return dtype < Dtype::f16; }

std::string described(const Member& member) {
  if (!member.header) return fmt::format("'{}' (not numbers)", member.name);
  return fmt::format("'{}' {} {}", member.name, dtype_name(member.header->dtype),
                     shape_text(member.header->shape));
}

template <class Range>
std::string described_all(const Range& members) {
  std::string text;
  for (const Member& member : members) text += (text.empty() ? "" : ", ") + described(member);
  return text;
}

// Chooses among the arrays of an archive.
class NpzImages {
 public:
  NpzImages(const NpzReader& archive, const std::string& wanted) : archive_(archive) {
    for (const std::string& name : archive.names()) {
      Member member{name, {}, parse_array_name(name)};
      try {
        member.header = archive.header(name);
      } catch (const Error&) {
        member.header = {};  // text or objects; an error if it is asked for
      }
      members_.push_back(std::move(member));
    }
    images_ = &choose(wanted);
    used_.push_back(images_);
  }

  LabelledImages read(const std::string& name) {
    const Part part =
        images_->meaning && images_->meaning->role == Role::images ? images_->meaning->part : Part::whole;
    LabelledImages found{.name = name};
    found.images = archive_.read(images_->name);
    if (!read_factors(found)) read_labels(found, part);
    if (!read_test_size(found) && (part == Part::train || part == Part::whole)) read_test(found);
    read_value_names(found);
    if (const std::string note = what_was_taken(); !note.empty()) found.notes.push_back(note);
    return found;
  }

 private:
  const Member* find(std::string_view name) const {
    const auto found = std::ranges::find(members_, name, &Member::name);
    return found == members_.end() ? nullptr : &*found;
  }

  template <class Matches>
  std::vector<const Member*> all(Matches matches) const {
    std::vector<const Member*> list;
    for (const Member& member : members_)
      if (matches(member)) list.push_back(&member);
    return list;
  }

  const Member& choose(const std::string& wanted) const {
    if (members_.empty()) fail("holds no arrays");
    if (!wanted.empty()) {
      if (const Member* member = find(wanted)) return *member;
      static_cast<void>(archive_.header(wanted));  // the error that lists what is there
    }
    for (const char* name : {"images", "imgs"})
      if (const Member* member = find(name)) return *member;
    if (members_.size() == 1) return members_[0];
    auto candidates = all([](const Member& member) {
      return member.header && member.header->shape.size() >= 2 && member.meaning &&
             member.meaning->role == Role::images &&
             (member.meaning->part == Part::train || member.meaning->part == Part::whole);
    });
    if (candidates.empty())
      candidates = all([](const Member& member) {
        return member.header && (member.header->shape.size() == 3 || member.header->shape.size() == 4);
      });
    if (candidates.size() == 1) return *candidates[0];
    std::string names;
    for (const Member* member : candidates) names += (names.empty() ? "" : ", ") + described(*member);
    if (candidates.empty())
      fail("none of its arrays looks like images; name one by data.array; it holds {}",
           described_all(members_));
    fail("{} may all be the images; name one: data.array = \"{}\"", names, candidates[0]->name);
  }

  // Whether the array has one integer per image.
  static bool fits(const Member& member, std::int64_t images) {
    if (!member.header || !is_integer(member.header->dtype)) return false;
    const auto& shape = member.header->shape;
    return !shape.empty() && shape[0] == images &&
           (shape.size() == 1 || (shape.size() == 2 && shape[1] == 1));
  }

  static bool is_one_integer(const Member& member) {
    return fits(member, 1) ||
           (member.header && is_integer(member.header->dtype) && member.header->shape.empty());
  }

  // The published dSprites, whose metadata, a pickle, names the factors.
  bool is_dsprites(const Array& factors) const {
    return images_->name == "imgs" && find("latents_values") != nullptr &&
           find("latents_classes") != nullptr && factors.rank() == 2 && factors.shape[1] == 6;
  }

  bool read_factors(LabelledImages& found) {
    for (const char* name : {"factors", "latents_classes"}) {
      const Member* member = find(name);
      if (member == nullptr || member == images_) continue;
      found.factors = archive_.read(name);
      if (!is_integer(found.factors.dtype))
        fail("array '{}' is {}; factors are integers from 0", name, dtype_name(found.factors.dtype));
      used_.push_back(member);
      if (const Member* names = find("factor_names"); names != nullptr && archive_.is_text(names->name)) {
        found.factor_names = archive_.read_text(names->name);
        check_factor_names(found);
        used_.push_back(names);
      } else if (is_dsprites(found.factors)) {
        found.factor_names = {"color", "shape", "scale", "orientation", "posX", "posY"};
        found.labels = {{}, {"square", "ellipse", "heart"}};
      }
      return true;
    }
    return false;
  }

  // Labels of a part, if there is exactly one array that can be; none of them negative.
  std::optional<Array> labels(Part part, std::int64_t images) {
    const auto candidates = all([&](const Member& member) {
      return &member != images_ && member.meaning == ArrayName{Role::labels, part} && fits(member, images);
    });
    if (candidates.size() != 1) return std::nullopt;
    Array array = archive_.read(candidates[0]->name);
    if (std::ranges::any_of(array.as_i64(), [](std::int64_t label) { return label < 0; }))
      return std::nullopt;
    used_.push_back(candidates[0]);
    array.shape = {images};
    return make_array(array.shape, array.as_i64());
  }

  void read_labels(LabelledImages& found, Part part) {
    if (found.images.rank() == 0) return;
    auto array = labels(part, found.images.shape[0]);
    if (!array && part == Part::train) array = labels(Part::whole, found.images.shape[0]);
    if (array) {
      found.factors = std::move(*array);
      found.factor_names = {"class"};
    }
  }

  void read_test(LabelledImages& found) {
    const auto candidates = all([&](const Member& member) {
      return member.header && member.meaning == ArrayName{Role::images, Part::test} &&
             member.header->shape.size() == found.images.rank() && found.images.rank() > 0;
    });
    if (candidates.size() != 1) return;
    LabelledImages test{.images = archive_.read(candidates[0]->name)};
    used_.push_back(candidates[0]);
    if (found.factors.rank() > 0 && found.factor_names == std::vector<std::string>{"class"}) {
      auto array = labels(Part::test, test.images.shape[0]);
      if (array) {
        test.factors = std::move(*array);
      } else {
        found.factors = {};  // known for a part of the items only
        found.factor_names.clear();
        found.notes.emplace_back(
            "the test images have no labels, so those of the training images are not used");
      }
    } else if (found.factors.rank() > 0) {
      return unuse();  // factors of all items, so the items are those of `images`
    }
    add_test_split(found, test);
  }

  void unuse() { used_.pop_back(); }

  static void check_factor_names(const LabelledImages& found) {
    const std::int64_t factors = found.factors.rank() == 2 ? found.factors.shape[1] : 1;
    const std::set<std::string> names(found.factor_names.begin(), found.factor_names.end());
    if (std::ssize(found.factor_names) != factors || names.size() != found.factor_names.size())
      fail("'factor_names' holds {}; {} different name{} needed, one per column of the factors",
           fmt::join(found.factor_names, ", "), factors, factors == 1 ? " is" : "s are");
  }

  // As cuelbo writes a test split: the number of images at the end of `images`.
  bool read_test_size(LabelledImages& found) {
    const Member* member = find("test_size");
    if (member == nullptr || images_->name != "images" || !is_one_integer(*member)) return false;
    const std::int64_t size = archive_.read(member->name).as_i64()[0];
    if (found.images.rank() == 0 || size < 0 || size > found.images.shape[0])
      fail("array 'test_size' is {}; it is the number of images for the test, the last of {}", size,
           shape_text(found.images.shape));
    found.test_size = size;
    used_.push_back(member);
    return true;
  }

  // `<factor>_labels`: different names, one per value. Surplus names belong to values that do not occur.
  void read_value_names(LabelledImages& found) {
    if (found.factors.rank() == 0 || found.factors.data.empty()) return;
    const auto values = found.factors.as_i64();
    const std::size_t width =
        found.factors.rank() == 1 ? 1 : static_cast<std::size_t>(found.factors.shape[1]);
    found.labels.resize(std::min(width, found.factor_names.size()));
    for (std::size_t k = 0; k < found.labels.size(); ++k) {
      const Member* member = find(found.factor_names[k] + "_labels");
      if (member != nullptr && !archive_.is_text(member->name)) member = nullptr;
      auto labels = member != nullptr ? archive_.read_text(member->name) : std::exchange(found.labels[k], {});
      if (labels.empty()) continue;
      std::int64_t highest = 0;
      for (std::size_t i = k; i < values.size(); i += width) highest = std::max(highest, values[i]);
      if (std::set<std::string>(labels.begin(), labels.end()).size() != labels.size() ||
          std::ssize(labels) <= highest)
        continue;
      labels.resize(static_cast<std::size_t>(highest) + 1);
      found.labels[k] = std::move(labels);
      if (member != nullptr) used_.push_back(member);
    }
  }

  // Empty when all arrays are used and have the names that cuelbo writes.
  std::string what_was_taken() const {
    const auto ignored =
        all([&](const Member& member) { return std::ranges::find(used_, &member) == used_.end(); });
    if (ignored.empty() && (used_.size() == 1 || images_->name == "images" || images_->name == "imgs"))
      return "";
    std::string text;
    for (const Member* member : used_)
      text += fmt::format("{}'{}'", text.empty() ? "reads " : ", ", member->name);
    for (const Member* member : ignored)
      text += fmt::format("{}{}", member == ignored.front() ? "; ignores " : ", ", described(*member));
    return text;
  }

  const NpzReader& archive_;
  std::vector<Member> members_;
  const Member* images_ = nullptr;
  std::vector<const Member*> used_;
};

}  // namespace

std::unique_ptr<Dataset> load_npy(const fs::path& path, const FileOptions& options) {
  return in_context(input_name(path), [&] {
    InputFile file(path, Pipes::accepted);
    const auto begins = [&](std::string_view magic) {
      const auto bytes = file.peek(magic.size());
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == magic;
    };
    if (!file.reopens() && (begins("\x89PNG") || begins("\xff\xd8\xff")))
      fail("is a picture, not an array; --set data.name=images reads it");
    if (begins("\x1f\x8b")) fail("is compressed by gzip, which is supported for IDX files only; unpack it");
    if (starts_like_zip(file) || (path.extension() == ".npz" && !begins("\x93NUMPY"))) {
      const NpzReader archive(file);
      return make_dataset(NpzImages(archive, options.array).read(data_name(path)), options);
    }
    if (!options.array.empty())
      usage_fail("data.array is '{}', but this is a single array without a name", options.array);
    return make_dataset({.name = data_name(path), .images = read_npy(file.source(), file.size())}, options);
  });
}

}  // namespace cuelbo
