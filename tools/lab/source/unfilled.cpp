#include "tools/lab/source/unfilled.hpp"

#include <algorithm>

#include "tools/lab/source/code.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::size_t npos = std::string_view::npos;

// The end of the declaration that begins at `begin`; npos if it is a function's or has an initialiser.
std::size_t end_of_declaration(std::string_view code, std::size_t begin) {
  for (std::size_t i = begin; i < code.size(); ++i) {
    if (code[i] == ';') return i;
    if (code[i] == '=' || code[i] == '{' || code[i] == ')' || code[i] == '}') return npos;
    if (code[i] == '[') i = closing(code, i);
    if (i < code.size() && code[i] == '(') {
      const std::string_view before = trim(code.substr(begin, i - begin));
      if (!before.ends_with("__align__") && !before.ends_with("alignas")) return npos;
      i = closing(code, i);
    }
    if (i == npos) return npos;
  }
  return npos;
}

// The names in "float a[3], b".
std::vector<std::string> declared_names(std::string_view declaration) {
  std::vector<std::string> names;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= declaration.size(); ++i) {
    const char c = i < declaration.size() ? declaration[i] : ',';
    if (c == '<' || c == '(' || c == '[') ++depth;
    if (c == '>' || c == ')' || c == ']') --depth;
    if (c != ',' || depth > 0) continue;
    std::string_view one = declaration.substr(begin, i - begin);
    while (trim(one).ends_with(']')) {
      one = trim(one);
      const std::size_t open = opening(one, one.size() - 1);
      if (open == npos) return names;
      one = one.substr(0, open);
    }
    one = trim(one);
    std::size_t name = one.size();
    while (name > 0 && in_word(one[name - 1])) --name;
    if (name < one.size()) names.emplace_back(one.substr(name));
    begin = i + 1;
  }
  return names;
}

// Whether `name`, an element or a member of it is assigned somewhere.
bool is_assigned(std::string_view code, std::string_view name) {
  for (std::size_t at = find_word(code, name); at != npos; at = find_word(code, name, at + 1)) {
    std::size_t i = at + name.size();
    while (i < code.size() && (code[i] == ' ' || code[i] == '.' || code[i] == '[' || in_word(code[i]))) {
      if (code[i] == '[') i = closing(code, i);
      if (i == npos) return false;
      ++i;
    }
    if (i + 1 < code.size() && code[i] == '=' && code[i + 1] != '=') return true;
  }
  return false;
}

std::string_view body_of_main(std::string_view code) {
  const std::size_t name = find_word(code, "main");
  const std::size_t open = name == npos ? npos : code.find('{', name);
  const std::size_t close = open == npos ? npos : closing(code, open);
  return close == npos ? std::string_view() : code.substr(open, close - open);
}

std::string what_fills(std::string_view code, std::string_view name, bool managed) {
  for (const std::string_view function :
       {"cudaMemcpyToSymbol", "cudaMemcpyToSymbolAsync", "cudaGetSymbolAddress"})
    for (std::size_t at = find_word(code, function); at != npos; at = find_word(code, function, at + 1)) {
      const std::size_t open = code.find('(', at), close = open == npos ? npos : closing(code, open);
      if (close != npos && find_word(code.substr(open, close - open), name) != npos)
        return std::string(function);
    }
  return managed && is_assigned(body_of_main(code), name) ? "an assignment" : "";
}

}  // namespace

std::vector<UnfilledVariable> unfilled_variables(std::string_view text) {
  const std::string code = code_only(text);
  std::vector<UnfilledVariable> found;
  for (const std::string_view specifier : {"__constant__", "__managed__", "__device__"})
    for (std::size_t at = find_word(code, specifier); at != npos; at = find_word(code, specifier, at + 1)) {
      const std::size_t end = end_of_declaration(code, at);
      if (end == npos) continue;
      const std::string_view declaration = std::string_view(code).substr(at, end - at);
      const bool managed = find_word(declaration, "__managed__") != npos;
      for (const std::string& name : declared_names(declaration))
        if (const std::string by = what_fills(code, name, managed);
            !by.empty() && std::ranges::find(found, name, &UnfilledVariable::name) == found.end())
          found.push_back({name, line_at(text, at), by});
    }
  std::ranges::stable_sort(found, {}, &UnfilledVariable::line);
  return found;
}

}  // namespace cuelbo::lab
