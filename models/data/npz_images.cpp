#include "models/data/npz_images.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "engine/error.hpp"
#include "models/data/array_dataset.hpp"
#include "models/data/array_names.hpp"
#include "models/data/write_npz.hpp"

namespace cuelbo {
namespace {

using Role = ArrayName::Role;
using Part = ArrayName::Part;

struct Member {
  std::string name;
  std::optional<NpyHeader> header;   // none: it holds no numbers
  std::string content;               // what it holds, for messages: "int64 (3,)", "text"
  std::optional<ArrayName> meaning;  // what its name says
};

bool is_integer(Dtype dtype) { return dtype < Dtype::f16; }

std::string described(const Member& member) { return fmt::format("'{}' {}", member.name, member.content); }

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
      Member member{name, {}, "text", parse_array_name(name)};
      if (!archive.is_text(name)) try {
          member.header = archive.header(name);
          member.content =
              fmt::format("{} {}", dtype_name(member.header->dtype), shape_text(member.header->shape));
        } catch (const Error& error) {  // such as objects
          const std::string_view message = error.what();
          const std::size_t context = fmt::format("array '{}': ", name).size();
          member.content = fmt::format("({})", message.substr(std::min(context, message.size())));
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
    read_values(found);
    read_pixels_mark(found);
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

  static bool is_one_integer(const Member& member) {
    return member.header && is_integer(member.header->dtype) &&
           std::ranges::all_of(member.header->shape, [](std::int64_t extent) { return extent == 1; });
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
      used_.push_back(factors_ = member);
      for (const char* list : {"factor_names", "latents_names"}) {
        const Member* names = find(list);
        if (names == nullptr || !archive_.is_text(names->name)) continue;
        found.factor_names = archive_.read_text(names->name);
        check_factor_names(found, list);
        used_.push_back(names);
        break;
      }
      if (!found.factor_names.empty()) {
        // The file has names of its own.
      } else if (is_dsprites(found.factors)) {
        found.factor_names = {"color", "shape", "scale", "orientation", "posX", "posY"};
        found.labels = {{}, {"square", "ellipse", "heart"}};
      }
      return true;
    }
    return false;
  }

  // Why an array cannot be the labels of that many images; empty if it can. It is read into `values`.
  std::string why_no_labels(const Member& member, std::int64_t images,
                            std::vector<std::int64_t>& values) const {
    if (!member.header) return "labels are integers";
    const auto& shape = member.header->shape;
    if (shape.size() == 2 && shape[0] == images && shape[1] > 1)
      return "labels are one integer per image; of one-hot labels, numpy.argmax(labels, axis=1)";
    if (!is_integer(member.header->dtype)) return "labels are integers";
    if (shape.empty() || shape[0] != images || (shape.size() > 1 && (shape.size() != 2 || shape[1] != 1)))
      return fmt::format("labels are one integer for each of the {} images", images);
    const Array array = archive_.read(member.name);
    try {
      values = array.as_i64();
    } catch (const Error& error) {  // a uint64 that int64 does not hold
      return error.what();
    }
    for (const std::int64_t label : values)
      if (label < 0 || label >= max_factor_size)
        return fmt::format("it holds {}; labels are from 0 to {}", label, max_factor_size - 1);
    return "";
  }

  // Labels of a part, if there is exactly one array that can be. Why others cannot is kept for the note.
  std::optional<Array> labels(Part part, std::int64_t images) {
    std::vector<const Member*> candidates;
    std::vector<std::int64_t> values, read;
    for (const Member* member :
         all([&](const Member& m) { return &m != images_ && m.meaning == ArrayName{Role::labels, part}; })) {
      reasons_[member] = why_no_labels(*member, images, read);
      if (!reasons_[member].empty()) continue;
      candidates.push_back(member);
      values = std::move(read);
    }
    if (candidates.size() > 1)
      for (const Member* member : candidates) reasons_[member] = "several arrays may be the labels";
    if (candidates.size() != 1) return std::nullopt;
    used_.push_back(labels_ = candidates[0]);
    return make_array({images}, values);
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
    std::vector<const Member*> candidates;
    for (const Member* member : all([&](const Member& m) {
           return &m != images_ && m.header && m.meaning == ArrayName{Role::images, Part::test};
         })) {
      if (found.images.rank() > 0 && rank_of_images(*member) == rank_of_images(*images_))
        candidates.push_back(member);
      else
        reasons_[member] = fmt::format("the images are {}", images_->content);
    }
    if (candidates.size() > 1)
      for (const Member* member : candidates) reasons_[member] = "several arrays may be the test images";
    if (candidates.size() != 1) return;
    LabelledImages test{.images = archive_.read(candidates[0]->name)};
    if (test.images.rank() < found.images.rank()) test.images.shape.push_back(1);
    if (test.images.rank() > found.images.rank()) test.images.shape.pop_back();
    used_.push_back(candidates[0]);
    if (found.factors.rank() > 0 && found.factor_names == std::vector<std::string>{"class"}) {
      auto array = labels(Part::test, test.images.shape[0]);
      if (array) {
        test.factors = std::move(*array);
      } else {
        found.factors = {};  // known for a part of the items only
        if (labels_ != nullptr) {
          std::erase(used_, labels_);
          reasons_[labels_] = "the test images have none";
        }
        found.factor_names.clear();
        const bool there =
            !all([](const Member& m) { return m.meaning == ArrayName{Role::labels, Part::test}; }).empty();
        found.notes.push_back(
            fmt::format("the test images have no {}labels, so those of the training images are not used",
                        there ? "usable " : ""));
      }
    } else if (found.factors.rank() > 0) {
      used_.pop_back();
      reasons_[candidates[0]] = "the factors are those of all images";
      return;
    }
    add_test_split(found, test);
    test_images_ = candidates[0];
  }

  // (n, H, W, 1) are the same images as (n, H, W).
  static std::size_t rank_of_images(const Member& member) {
    const auto& shape = member.header->shape;
    return shape.size() == 4 && shape[3] == 1 ? 3 : shape.size();
  }

  static void check_factor_names(const LabelledImages& found, const char* list) {
    const std::int64_t factors = found.factors.rank() == 2 ? found.factors.shape[1] : 1;
    const std::set<std::string> names(found.factor_names.begin(), found.factor_names.end());
    if (std::ssize(found.factor_names) != factors || names.size() != found.factor_names.size())
      fail("'{}' holds {}; {} different name{} needed, one per column of the factors", list,
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
      if (member != nullptr && !archive_.is_text(member->name)) {
        reasons_[member] = fmt::format("names of the values of '{}' are text", found.factor_names[k]);
        member = nullptr;
      }
      auto labels = member != nullptr ? archive_.read_text(member->name) : std::exchange(found.labels[k], {});
      if (labels.empty()) continue;
      std::int64_t highest = 0;
      for (std::size_t i = k; i < values.size(); i += width) highest = std::max(highest, values[i]);
      const bool differ = std::set<std::string>(labels.begin(), labels.end()).size() == labels.size();
      if (!differ || std::ssize(labels) <= highest) {
        if (member != nullptr)
          reasons_[member] = differ ? fmt::format("{} name{} for the values 0 to {}", labels.size(),
                                                  labels.size() == 1 ? "" : "s", highest)
                                    : "two values have the same name";
        continue;
      }
      labels.resize(static_cast<std::size_t>(highest) + 1);
      found.labels[k] = std::move(labels);
      if (member != nullptr) used_.push_back(member);
    }
  }

  // `<factor>_values`, one number per value; in the published dSprites, the rows of latents_values.
  void read_values(LabelledImages& found) {
    if (found.factors.rank() == 0 || found.factors.data.empty()) return;
    const auto classes = found.factors.as_i64();
    const std::size_t width =
        found.factors.rank() == 1 ? 1 : static_cast<std::size_t>(found.factors.shape[1]);
    found.values.resize(width);
    if (factors_ != nullptr && factors_->name == "latents_classes") read_latents_values(found, classes);
    for (std::size_t k = 0; k < std::min(width, found.factor_names.size()); ++k) {
      const Member* member = find(found.factor_names[k] + "_values");
      if (member == nullptr || std::ranges::find(used_, member) != used_.end()) continue;
      std::int64_t highest = 0;
      for (std::size_t i = k; i < classes.size(); i += width) highest = std::max(highest, classes[i]);
      if (!member->header || member->header->shape.size() != 1 || member->header->shape[0] <= highest) {
        reasons_[member] = fmt::format("one number for each of the values 0 to {} is needed", highest);
        continue;
      }
      found.values[k] = as_numbers(archive_.read(member->name));
      found.values[k].resize(static_cast<std::size_t>(highest) + 1);
      used_.push_back(member);
    }
  }

  // Values that do not occur are NaN.
  void read_latents_values(LabelledImages& found, const std::vector<std::int64_t>& classes) {
    const Member* member = find("latents_values");
    if (member == nullptr || !member->header) return;
    if (member->header->shape != found.factors.shape) {
      reasons_[member] = fmt::format("latents_classes has the shape {}", shape_text(found.factors.shape));
      return;
    }
    const std::size_t width = found.values.size();
    std::vector<std::vector<double>> values(width);
    const std::vector<double> numbers = as_numbers(archive_.read(member->name));
    for (std::size_t i = 0; i < classes.size(); ++i) {
      if (classes[i] < 0 || classes[i] >= max_factor_size) return;  // ArrayDataset refuses it
      const auto index = static_cast<std::size_t>(classes[i]);
      std::vector<double>& known = values[i % width];
      if (index >= known.size()) known.resize(index + 1, std::numeric_limits<double>::quiet_NaN());
      if (std::isnan(known[index])) known[index] = numbers[i];
      if (known[index] != numbers[i]) {
        reasons_[member] = "images of one class have several values";
        return;
      }
    }
    found.values = std::move(values);
    used_.push_back(member);
  }

  void read_pixels_mark(LabelledImages& found) {
    const Member* member = find(pixels_array);
    if (member == nullptr || images_->name != "images" || !archive_.is_text(member->name)) return;
    const auto text = archive_.read_text(member->name);
    found.is_as_seen = text.size() == 1 && text[0] == pixels_as_seen;
    if (found.is_as_seen) used_.push_back(member);
  }

  // Empty when all arrays are used and have the names that cuelbo writes.
  std::string what_was_taken() const {
    const auto ignored =
        all([&](const Member& member) { return std::ranges::find(used_, &member) == used_.end(); });
    const bool customary = images_->name == "images" || images_->name == "imgs";
    if (ignored.empty() && test_images_ == nullptr && (used_.size() == 1 || customary)) return "";
    std::string text;
    for (const Member* member : used_)
      text += fmt::format("{}'{}'", text.empty() ? "reads " : ", ", member->name);
    if (test_images_ != nullptr) text += fmt::format("; '{}' is the test split", test_images_->name);
    for (const Member* member : ignored) {
      text += fmt::format("{}{}", member == ignored.front() ? "; ignores " : ", ", described(*member));
      if (const auto reason = reasons_.find(member); reason != reasons_.end() && !reason->second.empty())
        text += fmt::format(" ({})", reason->second);
    }
    return text;
  }

  const NpzReader& archive_;
  std::vector<Member> members_;
  const Member* images_ = nullptr;
  const Member* labels_ = nullptr;   // those read last
  const Member* factors_ = nullptr;  // none if the factors are labels
  const Member* test_images_ = nullptr;
  std::vector<const Member*> used_;
  std::map<const Member*, std::string>
      reasons_;  // why an array is ignored, where its name asks for it to be read
};

}  // namespace

LabelledImages read_npz_images(const NpzReader& archive, const std::string& name, const std::string& wanted) {
  return NpzImages(archive, wanted).read(name);
}

}  // namespace cuelbo
