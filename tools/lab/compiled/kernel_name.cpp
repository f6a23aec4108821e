#include "tools/lab/compiled/kernel_name.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "engine/error.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo::lab {

namespace {

// nvcc with -rdc: __nv_static_<n>_<n characters of the file>_<symbol>.
std::string_view without_file(std::string_view symbol) {
  constexpr std::string_view prefix = "__nv_static_";
  if (!symbol.starts_with(prefix)) return symbol;
  const std::string_view rest = symbol.substr(prefix.size());
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  return error == std::errc{} && digits + 2 + length < rest.size() ? rest.substr(digits + length + 2)
                                                                   : symbol;
}

// The position of the bracket that closes the one at `at`.
std::size_t closing(std::string_view text, std::size_t at) {
  int depth = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '<' || text[i] == '{') ++depth;
    if ((text[i] == ')' || text[i] == '>' || text[i] == '}') && --depth == 0) return i;
  }
  return text.size() - 1;
}

bool in_identifier(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Removes the last name with its template arguments: "tile<4>" from "f<tile<4>".
void drop_last_name(std::string& text) {
  for (int depth = 0; !text.empty(); text.pop_back()) {
    if (text.back() == '>') ++depth;
    if (depth == 0 && !in_identifier(text.back())) return;
    if (text.back() == '<') --depth;
  }
}

template <class T>
std::span<const T> table(std::span<const std::byte> file, std::size_t offset, std::size_t count) {
  if (offset > file.size() || count > (file.size() - offset) / sizeof(T)) return {};
  return {reinterpret_cast<const T*>(file.data() + offset), count};
}

// In the symbol table that the linker left in the file; empty: there is none, or it has no such function.
Symbol symbol_at(std::span<const std::byte> file, std::size_t address) {
  const auto header = table<Elf64_Ehdr>(file, 0, 1);
  if (header.empty()) return {};
  const auto sections = table<Elf64_Shdr>(file, header[0].e_shoff, header[0].e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& strings = sections[section.sh_link];
    const auto names = table<char>(file, strings.sh_offset, strings.sh_size);
    std::string_view source;  // of the local symbols that follow
    for (const Elf64_Sym& s :
         table<Elf64_Sym>(file, section.sh_offset, section.sh_size / sizeof(Elf64_Sym))) {
      if (s.st_name >= names.size()) continue;
      const std::string_view name(&names[s.st_name], strnlen(&names[s.st_name], names.size() - s.st_name));
      if (ELF64_ST_TYPE(s.st_info) == STT_FILE) source = name.substr(0, name.find('.'));
      if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_value != address) continue;
      const bool local = ELF64_ST_BIND(s.st_info) == STB_LOCAL;
      return {.symbol = std::string(name), .file = local ? std::string(source) : std::string()};
    }
  }
  return {};
}

}  // namespace

std::string kernel_name(std::string_view symbol) {
  const std::string mangled(without_file(symbol));
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : mangled;
}

std::string short_name(std::string_view name) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("(anonymous namespace)")) {
      i += std::string_view("(anonymous namespace)").size() - 1;
    } else if (name.substr(i).starts_with("::")) {
      drop_last_name(result);
      ++i;
    } else if (name[i] == '(' && i > 0 && (in_identifier(name[i - 1]) || name[i - 1] == '>')) {
      i = closing(name, i);  // parameters
    } else if (name[i] == ' ' && result.find('<') == std::string::npos) {
      result.clear();                                      // the return type
    } else if (!(name[i] == ' ' && name[i - 1] == '>')) {  // "> >"
      result += name[i];
    }
  }
  return result;
}

std::string_view file_of(std::string_view symbol) {
  // Behind one of these: <digits>_<n>_<n characters of the file's name, with _ for .>
  constexpr std::string_view unnamed = "_GLOBAL__N__", of_static = "__nv_static_";
  std::size_t at = symbol.find(unnamed);
  if (at != std::string_view::npos)
    at += unnamed.size();
  else if (symbol.starts_with(of_static))
    at = std::min(symbol.find("__", of_static.size()), symbol.size() - 2) + 2;
  else
    return {};
  const std::size_t digits = symbol.find('_', at);
  if (digits == std::string_view::npos) return {};
  const std::string_view rest = symbol.substr(digits + 1);
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
  const auto begin = static_cast<std::size_t>(end - rest.data()) + 1;
  if (error != std::errc{} || begin > rest.size() || length > rest.size() - begin) return {};
  const std::string_view file = rest.substr(begin, length);
  return file.substr(0, file.rfind('_'));
}

Symbol symbol_of(const void* function) {
  Dl_info info{};
  if (dladdr(function, &info) == 0) fail("a kernel's address is not in any loaded library");
  const std::vector<std::byte> file = read_file(info.dli_fname);
  const auto address = static_cast<std::size_t>(static_cast<const std::byte*>(function) -
                                                static_cast<const std::byte*>(info.dli_fbase));
  Symbol symbol = symbol_at(file, address);
  if (symbol.symbol.empty()) fail("'{}' has no symbol table that names its kernels", info.dli_fname);
  return symbol;
}

}  // namespace cuelbo::lab
