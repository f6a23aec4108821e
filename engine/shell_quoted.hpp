// Quoting for shell commands that messages suggest.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace cuelbo {

// A path as one word of a shell's command line: quoted if a shell would read it otherwise, and never an option.
inline std::string shell_quoted(std::string_view path) {
  const auto plain = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte >= 0x80 || std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  };
  std::string word = (path.starts_with('-') ? "./" : "") + std::string(path);
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'')
      quoted += R"('\'')";
    else
      quoted += c;
  }
  return quoted + "'";
}

}  // namespace cuelbo
