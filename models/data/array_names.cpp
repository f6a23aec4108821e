#include "models/data/array_names.hpp"

#include <array>
#include <cctype>
#include <string>
#include <utility>

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

// Whether `rest` is a sequence of words that agree with each other; what they say is added to role and part.
bool parse(std::string_view rest, std::optional<Role>& role, std::optional<Part>& part) {
  if (rest.empty()) return true;
  for (const Word& word : words) {
    if (!rest.starts_with(word.text)) continue;
    if ((word.role && role && word.role != role) || (word.part && part)) continue;
    auto next_role = word.role ? word.role : role;
    auto next_part = word.part ? word.part : part;
    if (!parse(rest.substr(word.text.size()), next_role, next_part)) continue;
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
  for (const char c : name)
    if (c != '_' && c != '-' && c != '.' && c != ' ' && c != '/')
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::optional<Role> role;
  std::optional<Part> part;
  if (letters.empty() || !parse(letters, role, part)) return std::nullopt;
  return ArrayName{role.value_or(Role::images), part.value_or(Part::whole)};
}

}  // namespace cuelbo
