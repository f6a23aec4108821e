#include "models/config_layers.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/ranges.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "models/config_schema.hpp"

namespace cuelbo {

namespace {

constexpr std::string_view preset_key = "objective.preset";

constexpr std::string_view command_line = "--set ";

constexpr std::array<std::string_view, 5> coefficient_keys{"mutual_information", "between_group_tc",
                                                           "within_group_tc", "dimension_kl", "group_tc"};

std::string position(const toml::source_region& region, std::string_view source) {
  const std::string_view path = region.path ? std::string_view(*region.path) : source;
  if (path.starts_with(command_line) || region.begin.line == 0) return std::string(path);
  return fmt::format("{}:{}:{}", path, region.begin.line, region.begin.column);
}

// A new objective preset does not inherit the coefficients of another.
void forget_coefficients(toml::table& objective, const toml::node& preset) {
  if (objective["preset"].value<std::string>() == preset.value<std::string>()) return;
  for (const std::string_view key : coefficient_keys) objective.erase(key);
}

// Keys of `layer` take the place of those of `base`; tables are merged, lists are replaced.
void merge(toml::table& base, toml::table&& layer) {
  for (auto&& [key, value] : layer) {
    toml::table* inner = base[key.str()].as_table();
    if (inner != nullptr && value.is_table()) {
      const toml::node* preset = key.str() == "objective" ? value.as_table()->get("preset") : nullptr;
      if (preset != nullptr) forget_coefficients(*inner, *preset);
      merge(*inner, std::move(*value.as_table()));
    } else {
      base.insert_or_assign(key, std::move(value));
    }
  }
}

// The element of a list that a step of a key path names.
toml::node& element(toml::array& list, std::string_view step, std::string_view path, std::string_view text) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  if (error == std::errc() && end == step.data() + step.size()) {
    if (index >= list.size())
      usage_fail("{}{}: {} has {} element{}, there is no number {}", command_line, text, path, list.size(),
                 list.size() == 1 ? "" : "s", step);
    return list[index];
  }
  std::vector<std::string> names;
  for (toml::node& item : list) {
    if (!item.is_table()) continue;
    const auto name = item.as_table()->get_as<std::string>("name");
    if (name == nullptr) continue;
    if (name->get() == step) return item;
    names.push_back(name->get());
  }
  if (names.empty())
    usage_fail("{}{}: {} is a list: name an element by its number from 0", command_line, text, path);
  usage_fail("{}{}: {} has no element '{}'{}; there are {}", command_line, text, path, step,
             did_you_mean(step, names), fmt::join(names, ", "));
}

// Whether the text is UTF-8, as TOML must be.
bool is_utf8(std::string_view text) {
  try {
    return toml::parse(fmt::format("value = {}", toml_string(text))).size() == 1;
  } catch (const toml::parse_error&) {
    return false;
  }
}

// A value that is not TOML is taken as a string, so that paths and names need no quotes; for a key that holds text, so
// is one that would be a number, a date or a list in TOML.
toml::table override_value(std::string_view key, std::string_view value, bool is_text) {
  const std::string source = fmt::format("{}{}", command_line, key);
  if (!is_utf8(value)) usage_fail("{}: '{}' is not UTF-8", source, value);
  const auto as_toml = [&](std::string_view text) {
    return toml::parse(fmt::format("value = {}", text), source);
  };
  try {
    if (toml::table parsed = as_toml(value);
        parsed.size() == 1 && (!is_text || parsed.get("value")->is_string()))
      return parsed;
  } catch (const toml::parse_error& error) {
    const std::string_view structured = is_text ? "\"'" : "[{\"'";
    if (!value.empty() && structured.find(value.front()) != std::string_view::npos)
      usage_fail("{}={}: {}", source, value, error.description());
  }
  // Numbers that TOML cannot express, since its integers end at 2^63.
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (!is_text && error == std::errc() && end == value.data() + value.size())
    return as_toml(fmt::format("{}", number));
  return as_toml(toml_string(value));
}

// "key.path=value"
void apply_override(toml::table& table, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    usage_fail("{}{}: it must have the form key=value", command_line, text);
  const std::string_view key = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);

  toml::node* at = &table;
  std::string schema_key;  // the key without what names an element of a list
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    const std::string_view step = key.substr(begin, end - begin),
                           path = key.substr(0, begin == 0 ? 0 : begin - 1);
    if (step.empty()) usage_fail("{}{}: '{}' is not a key", command_line, text, key);
    const bool last = end == key.size();
    if (toml::array* list = at->as_array()) {
      toml::node& item = element(*list, step, path, text);
      if (last) {
        const auto place =
            std::find_if(list->begin(), list->end(), [&](const toml::node& n) { return &n == &item; });
        list->replace(place, std::move(*override_value(key, value, false).get("value")));
      } else {
        at = &item;
      }
    } else if (toml::table* inner = at->as_table()) {
      schema_key += fmt::format("{}{}", schema_key.empty() ? "" : ".", step);
      if (last) {
        toml::table parsed = override_value(key, value, is_text_key(schema_key));
        if (key == preset_key) forget_coefficients(*inner, *parsed.get("value"));
        inner->insert_or_assign(step, std::move(*parsed.get("value")));
      } else {
        at = &inner->insert(step, toml::table{}).first->second;
      }
    } else {
      usage_fail("{}{}: {} holds a value and no keys", command_line, text, path);
    }
    if (last) return;
    begin = end + 1;
  }
}

}  // namespace

std::string position(const toml::node& node, std::string_view source) {
  return position(node.source(), source);
}

toml::table parse_toml(std::string_view text, std::string_view source) {
  try {
    return toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    if (!is_utf8(text) || text.find('\0') != std::string_view::npos)
      usage_fail("'{}' is not a configuration, which is TOML text; data is named by data.path", source);
    std::string_view what = error.description();
    what = what.substr(0, what.find(" (TOML_"));  // the name of a macro
    usage_fail("{}: {}", position(error.source(), source), what);
  }
}

toml::table with_base(toml::table table, std::string_view source) {
  const toml::node* base = table.get("base");
  if (base == nullptr) return table;
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (base->value<std::string>() == preset.name) {
      const std::string preset_source = fmt::format("preset {}", preset.name);
      toml::table merged = with_base(parse_toml(preset.toml, preset_source), preset_source);
      table.erase("base");
      merge(merged, std::move(table));
      return merged;
    }
    names.emplace_back(preset.name);
  }
  const std::string name = base->value_or<std::string>("");
  usage_fail("{}: base must be the name of a preset{}; there are {}", position(*base, source),
             did_you_mean(name, names), fmt::join(names, ", "));
}

void apply_overrides(toml::table& table, const std::vector<std::string>& overrides) {
  // Coefficients are those on top of the preset, in whichever order the two are given.
  const auto is_preset = [](std::string_view text) { return text.substr(0, text.find('=')) == preset_key; };
  for (const bool presets : {true, false})
    for (const std::string& text : overrides)
      if (is_preset(text) == presets) apply_override(table, text);
}

}  // namespace cuelbo
