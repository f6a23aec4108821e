// The layers of text that a configuration is made of: a preset, a file on top of it, keys from the command line on top.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

namespace cuelbo {

// UsageError: "source:line:column: what is wrong".
toml::table parse_toml(std::string_view text, std::string_view source);

// The key `base` of a table names the preset that it changes: the preset's table with the keys of this one in their place.
toml::table with_base(toml::table table, std::string_view source);

// Each is "key.path=value". A step of the path into a list is an index or the `name` of an element.
void apply_overrides(toml::table& table, const std::vector<std::string>& overrides);

// "source:line:column", or the source alone of a value from the command line.
std::string position(const toml::node& node, std::string_view source);

}  // namespace cuelbo
