#include "tools/lab/source/code.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace cuelbo::lab {

namespace {

// Behind the comment or literal that begins here; `begin` itself if none does.
std::size_t end_of_quiet(std::string_view text, std::size_t begin) {
  const std::string_view rest = text.substr(begin);
  const auto behind = [&](std::size_t found, std::size_t length) {
    return found == std::string_view::npos ? text.size() : begin + found + length;
  };
  if (rest.starts_with("//")) return behind(rest.find('\n'), 0);
  if (rest.starts_with("/*")) return behind(rest.find("*/", 2), 2);
  const bool word_before = begin > 0 && in_word(text[begin - 1]);
  if (rest.starts_with("R\"") && !word_before) {
    const std::size_t open = rest.find('(');
    if (open == std::string_view::npos) return text.size();
    const std::string close = fmt::format("){}\"", rest.substr(2, open - 2));
    return behind(rest.find(close, open), close.size());
  }
  // An apostrophe inside a number separates digits.
  if (rest.starts_with('"') || (rest.starts_with('\'') && !word_before)) {
    std::size_t i = 1;
    while (i < rest.size() && rest[i] != rest[0] && rest[i] != '\n') i += rest[i] == '\\' ? 2 : 1;
    return std::min(begin + i + 1, text.size());
  }
  return begin;
}

// `step` is 1 from an opening bracket, -1 from a closing one.
std::size_t partner(std::string_view code, std::size_t at, int step) {
  const std::string_view in = step > 0 ? "([{<" : ")]}>", out = step > 0 ? ")]}>" : "([{<";
  const bool angle = code[at] == in[3];
  int depth = 0;
  for (std::size_t i = at; i < code.size(); i += static_cast<std::size_t>(step)) {
    const std::size_t enters = in.find(code[i]), leaves = out.find(code[i]);
    if (enters < 3 || (angle && enters == 3)) ++depth;
    if (leaves < 3 || (angle && leaves == 3)) --depth;
    if (depth == 0) return i;
  }
  return std::string_view::npos;
}

}  // namespace

std::string code_only(std::string_view text) {
  std::string code(text);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = end_of_quiet(text, i);
    for (std::size_t j = i; j < end; ++j)
      if (code[j] != '\n') code[j] = ' ';
    i = std::max(end, i + 1);
  }
  return code;
}

std::size_t closing(std::string_view code, std::size_t open) { return partner(code, open, 1); }
std::size_t opening(std::string_view code, std::size_t close) { return partner(code, close, -1); }

std::string_view trim(std::string_view text) {
  constexpr const char* space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::size_t find_word(std::string_view code, std::string_view word, std::size_t from) {
  for (std::size_t at = code.find(word, from); at != std::string_view::npos; at = code.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !in_word(code[at - 1])) && (end == code.size() || !in_word(code[end]))) return at;
  }
  return std::string_view::npos;
}

int line_at(std::string_view text, std::size_t place) {
  return 1 + static_cast<int>(std::ranges::count(text.substr(0, place), '\n'));
}

}  // namespace cuelbo::lab
