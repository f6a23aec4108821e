#include "kernels/runtime/simt/module.hpp"

#include <link.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string_view>

namespace cuelbo::simt {

namespace {

int look_at(dl_phdr_info* info, std::size_t, void* argument) {
  auto& module = *static_cast<Module*>(argument);
  const auto code = reinterpret_cast<std::uintptr_t>(&look_at);
  Module seen{.path = info->dlpi_name, .base = info->dlpi_addr};
  bool mine = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uintptr_t address = info->dlpi_addr + segment.p_vaddr;
    const std::span bytes(reinterpret_cast<const std::byte*>(address), segment.p_memsz);
    if (segment.p_type == PT_LOAD) {
      mine = mine || code - address < segment.p_memsz;
      ((segment.p_flags & PF_W) != 0 ? seen.writable : seen.read_only).push_back(bytes);
    }
    if (segment.p_type == PT_TLS) seen.thread_local_bytes = segment.p_filesz;
  }
  if (!mine) return 0;
  module = std::move(seen);
  if (module.path.empty()) module.path = "/proc/self/exe";
  return 1;
}

// The thread-local variables without initial values, from the symbol table of an ELF file, which lives in no segment: the
// file is read.
std::vector<ThreadLocal> shared_variables(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  const auto at = [&]<class T>(std::size_t offset, T value) {
    if (offset + sizeof value <= file.size()) std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
  };
  const auto header = at(0, ElfW(Ehdr){});
  const auto section = [&](std::size_t i) {
    return at(header.e_shoff + i * header.e_shentsize, ElfW(Shdr){});
  };
  std::vector<ThreadLocal> found;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const ElfW(Shdr) table = section(i);
    if (table.sh_type != SHT_SYMTAB) continue;
    const std::size_t names = section(table.sh_link).sh_offset;
    for (std::size_t offset = 0; offset < table.sh_size; offset += sizeof(ElfW(Sym))) {
      const auto symbol = at(table.sh_offset + offset, ElfW(Sym){});
      if (ELF64_ST_TYPE(symbol.st_info) != STT_TLS || section(symbol.st_shndx).sh_type != SHT_NOBITS)
        continue;
      const std::string_view name = file.c_str() + std::min(names + symbol.st_name, file.size());
      if (name.find("shared_memory_gap") == std::string_view::npos)
        found.push_back({.begin = symbol.st_value,
                         .end = symbol.st_value + symbol.st_size,
                         .guard = name.starts_with("_ZGV")});
    }
  }
  std::ranges::sort(found, {}, &ThreadLocal::begin);
  return found;
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result += '\'';
}

std::string hexadecimal(std::uint32_t number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "0x%x", number);
  return digits;
}

// Output of a command; empty if it cannot be run.
std::string output_of(const std::string& command) {
  std::string output;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  char buffer[4096];
  for (std::size_t n = 0; pipe != nullptr && (n = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;)
    output.append(buffer, n);
  return output;
}

// Locations outlive what asks for them.
const char* keep(std::string text) {
  static std::set<std::string> kept;
  return kept.insert(std::move(text)).first->c_str();
}

// A file of the runtime or the system, or the launch that cuelbo writes behind a user's file: their frames are skipped, and the
// caller or callee is reported.
bool is_helper(std::string_view file) {
  return file.find("kernels/runtime/") != std::string_view::npos || file.starts_with("/usr/") ||
         file.find("--kernel ") != std::string_view::npos;
}

// The frame to report, of those of one address, innermost first.
Location chosen(const std::vector<Location>& frames, Location otherwise) {
  for (const Location& frame : frames)
    if (!is_helper(frame.file)) return frame;
  for (const Location& frame : frames)
    if (std::strcmp(frame.file, frames.back().file) == 0) return frame;
  return otherwise;
}

// file:line of the frames of each address, innermost first; empty where the debug information has none.
std::vector<std::vector<Location>> frames_of(const Module& module, std::span<const std::uint32_t> sites) {
  std::string command = "addr2line -a -i -e " + quoted(module.path);
  for (const std::uint32_t site : sites)
    command += ' ' + hexadecimal(site - 1);  // the call, not what follows it
  std::vector<std::vector<Location>> frames(sites.size());
  std::size_t next = 0;  // 0x… of an address, then its frames
  std::istringstream output(output_of(command + " 2>/dev/null"));
  for (std::string line; std::getline(output, line);) {
    if (line.starts_with("0x")) {
      ++next;
      continue;
    }
    const std::size_t colon = line.rfind(':');
    if (next == 0 || next > sites.size() || colon == std::string::npos) continue;
    int number = 0;
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), number);
    if (number == 0) continue;
    const std::string file = std::filesystem::path(line.substr(0, colon)).lexically_normal().string();
    frames[next - 1].push_back({.file = keep(file), .line = number});
  }
  return frames;
}

Location without_line(const Module& module, std::uint32_t site) {
  return {.file = keep(module.path + "+" + hexadecimal(site))};
}

}  // namespace

Module this_module() {
  Module module;
  dl_iterate_phdr(look_at, &module);
  module.path = std::filesystem::canonical(module.path).string();
  module.shared = shared_variables(module.path);
  return module;
}

std::vector<Location> source_lines(const Module& module, std::span<const std::uint32_t> sites) {
  const auto frames = frames_of(module, sites);
  std::vector<Location> lines;
  for (std::size_t i = 0; i < sites.size(); ++i)
    lines.push_back(chosen(frames[i], without_line(module, sites[i])));
  return lines;
}

Location source_line(std::span<const std::uintptr_t> addresses) {
  static std::mutex mutex;  // blocks run on several OS threads
  static const Module module = this_module();
  static std::map<std::vector<std::uint32_t>, Location>
      known;  // each thread of a grid may end at the same place
  std::vector<std::uint32_t> sites;
  for (const std::uintptr_t address : addresses)
    for (const std::span<const std::byte> segment : module.read_only)
      if (address - reinterpret_cast<std::uintptr_t>(segment.data()) <= segment.size())
        sites.push_back(static_cast<std::uint32_t>(address - module.base));
  if (sites.empty()) return {.file = "somewhere in the kernel"};
  const std::scoped_lock lock(mutex);
  if (const auto found = known.find(sites); found != known.end()) return found->second;
  for (const std::vector<Location>& frames : frames_of(module, sites))
    for (const Location& frame : frames)
      if (!is_helper(frame.file)) return known[sites] = frame;
  return known[sites] = without_line(module, sites.front());
}

}  // namespace cuelbo::simt
