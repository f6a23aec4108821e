#include "models/data/array_names.hpp"

#include <array>
#include <cctype>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cuelbo {
namespace {

using Role = ArrayName::Role;
using Part = ArrayName::Part;

struct Word {
  std::string_view text;
  std::optional<Role> role;
  std::optional<Part> part;
};

// Longer words stand before their beginnings.
constexpr std::array words{Word{"images", Role::images, {}},    Word{"image", Role::images, {}},
                           Word{"imgs", Role::images, {}},      Word{"img", Role::images, {}},
                           Word{"pixels", Role::images, {}},    Word{"data", Role::images, {}},
                           Word{"arr0", Role::images, {}},      Word{"x", Role::images, {}},
                           Word{"labels", Role::labels, {}},    Word{"label", Role::labels, {}},
                           Word{"targets", Role::labels, {}},   Word{"target", Role::labels, {}},
                           Word{"classes", Role::labels, {}},   Word{"class", Role::labels, {}},
                           Word{"arr1", Role::labels, {}},      Word{"y", Role::labels, {}},
                           Word{"training", {}, Part::train},   Word{"train", {}, Part::train},
                           Word{"tr", {}, Part::train},         Word{"testing", {}, Part::test},
                           Word{"test", {}, Part::test},        Word{"te", {}, Part::test},
                           Word{"t10k", {}, Part::test},        Word{"validation", {}, Part::validation},
                           Word{"valid", {}, Part::validation}, Word{"val", {}, Part::validation},
                           Word{"dev", {}, Part::validation}};

// Whether `rest` is a sequence of words that agree with each other; what they say is added to role and part. `ends` has the places
// where the name has a separator or changes its case, counted from the end.
bool parse(std::string_view rest, const std::set<std::size_t>& ends, std::optional<Role>& role,
           std::optional<Part>& part) {
  if (rest.empty()) return true;
  for (const Word& word : words) {
    if (!rest.starts_with(word.text)) continue;
    const std::size_t behind = rest.size() - word.text.size();
    if (word.part && word.text.size() == 2 && behind > 0 && !ends.contains(behind)) continue;  // "tex", "try"
    if ((word.role && role && word.role != role) || (word.part && part)) continue;
    auto next_role = word.role ? word.role : role;
    auto next_part = word.part ? word.part : part;
    if (!parse(rest.substr(word.text.size()), ends, next_role, next_part)) continue;
    role = next_role;
    part = next_part;
    return true;
  }
  return false;
}

}  // namespace

std::optional<ArrayName> parse_array_name(std::string_view name) {
  constexpr std::size_t longest = 40;
  if (name.empty() || name.size() > longest) return std::nullopt;
  std::string letters;
  std::vector<std::size_t> boundaries;
  bool was_upper = false;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == '.' || c == ' ' || c == '/') {
      boundaries.push_back(letters.size());
      continue;
    }
    const bool is_upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (is_upper != was_upper) boundaries.push_back(letters.size());
    was_upper = is_upper;
    letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::set<std::size_t> ends;
  for (const std::size_t boundary : boundaries) ends.insert(letters.size() - boundary);
  std::optional<Role> role;
  std::optional<Part> part;
  if (letters.empty() || !parse(letters, ends, role, part)) return std::nullopt;
  return ArrayName{role.value_or(Role::images), part.value_or(Part::whole)};
}

}  // namespace cuelbo
