// The output of cuobjdump.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "tools/lab/compiled/compiled_kernels.hpp"
#include "tools/lab/compiled/kernel_name.hpp"

namespace cuelbo::lab {

namespace {

template <class F>
void for_each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    f(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The number behind what the line contains; 0 if it does not.
int number_behind(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  int number = 0;
  if (at != std::string_view::npos)
    std::from_chars(line.data() + at + key.size(), line.data() + line.size(), number);
  return number;
}

// From sm_90 on the static size contains what the system keeps for itself in every block, if the kernel has any.
std::size_t own_shared(int architecture, int bytes) {
  constexpr int reserved = 1024;
  return static_cast<std::size_t>(architecture >= 90 && bytes >= reserved ? bytes - reserved : bytes);
}

// "@!P0 LDG.E.128.CONSTANT R4, [R2]" → "LDG.E.128.CONSTANT"
std::string_view opcode_of(std::string_view instruction) {
  if (instruction.starts_with('@')) {
    const std::size_t space = instruction.find(' ');
    if (space == std::string_view::npos) return {};
    instruction = trim(instruction.substr(space));
  }
  return instruction.substr(0, instruction.find_first_of(" ;"));
}

bool has_part(std::string_view opcode, std::string_view part) {
  for (std::size_t at = opcode.find(part); at != std::string_view::npos; at = opcode.find(part, at + 1))
    if (opcode[at - 1] == '.' && (at + part.size() == opcode.size() || opcode[at + part.size()] == '.'))
      return true;
  return false;
}

const char* width(std::string_view opcode) {
  for (const char* const bits : {"256", "128", "64"})
    if (has_part(opcode, bits)) return bits;
  for (const char* const type : {"U8", "S8"})
    if (has_part(opcode, type)) return "8";
  for (const char* const type : {"U16", "S16"})
    if (has_part(opcode, type)) return "16";
  return "32";
}

// The class under which an instruction is counted; empty for all others.
std::string class_of(std::string_view opcode) {
  std::string base(opcode.substr(0, opcode.find('.')));
  for (const char* const memory : {"LDG", "STG", "LDS", "STS", "LDGSTS", "LD", "ST"})
    if (base == memory) return base + '.' + width(opcode);
  if (base.ends_with("MMA")) return base;  // tensor cores: HMMA, IMMA, QMMA …
  if (base == "FFMA2") return base;        // two in one, from sm_100 on
  if (base == "ATOMG" || base == "REDG") return base.substr(0, base.size() - 1);
  constexpr std::array counted{"FFMA", "FADD", "FMUL", "MUFU",  "LDSM", "STSM", "SHFL",
                               "BAR",  "ATOM", "RED",  "ATOMS", "LDL",  "STL"};
  return std::ranges::find(counted, base) != counted.end() ? base : std::string();
}

// The text between the comments of `        /*0090*/     @P0 EXIT ;      /* 0x… */`; empty for other lines.
std::string_view instruction_on(std::string_view line) {
  line = trim(line);
  const std::size_t end = line.find("*/");
  if (!line.starts_with("/*") || line.starts_with("/* ") || end == std::string_view::npos) return {};
  line.remove_prefix(end + 2);
  return trim(line.substr(0, line.find("/*")));
}

}  // namespace

std::vector<CompiledKernel> parse_resource_usage(std::string_view text) {
  std::vector<CompiledKernel> kernels;
  int architecture = 0;
  std::string symbol;
  for_each_line(text, [&](std::string_view line) {
    line = trim(line);
    if (line.starts_with("arch = sm_")) {
      architecture = number_behind(line, "sm_");
    } else if (line.starts_with("Function ") && line.ends_with(':')) {
      symbol = line.substr(9, line.size() - 10);
    } else if (line.starts_with("REG:") && !symbol.empty()) {
      // Files that share a kernel have it once each.
      const bool known = std::ranges::any_of(kernels, [&](const CompiledKernel& k) {
        return k.architecture == architecture && k.symbol == symbol;
      });
      if (!known)
        kernels.push_back(
            {.symbol = symbol,
             .name = kernel_name(symbol),
             .file = std::string(file_of(symbol)),
             .architecture = architecture,
             .registers = number_behind(line, "REG:"),
             .shared = own_shared(architecture, number_behind(line, "SHARED:")),
             .local = static_cast<std::size_t>(number_behind(line, "STACK:") + number_behind(line, "LOCAL:")),
             .constant = static_cast<std::size_t>(number_behind(line, "CONSTANT[0]:"))});
      symbol.clear();
    }
  });
  return kernels;
}

void parse_sass(std::string_view text, std::vector<CompiledKernel>& kernels) {
  int architecture = 0;
  Instructions* instructions = nullptr;
  for_each_line(text, [&](std::string_view line) {
    const std::string_view words = trim(line);
    if (words.starts_with("code for sm_")) {
      architecture = number_behind(words, "sm_");
      instructions = nullptr;
    } else if (words.starts_with("Function : ")) {
      const auto found = std::ranges::find_if(kernels, [&](const CompiledKernel& k) {
        return k.architecture == architecture && k.symbol == words.substr(11);
      });
      instructions = found == kernels.end() ? nullptr : &found->instructions.emplace();
    } else if (instructions != nullptr) {
      const std::string_view opcode = opcode_of(instruction_on(line));
      if (opcode.empty() || opcode == "NOP") return;
      ++instructions->total;
      if (const std::string c = class_of(opcode); !c.empty()) ++instructions->counts[c];
    }
  });
}

int architecture_of_sass(std::string_view text) { return number_behind(text, "code for sm_"); }

}  // namespace cuelbo::lab
