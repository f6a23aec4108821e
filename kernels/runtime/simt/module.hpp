// The shared library or program that kernels were compiled into: its memory and its source lines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/simt/block.hpp"

namespace cuelbo::simt {

// Shared memory, or the guard that g++ puts beside a static array of class type and asks, though its constructor does
// nothing: what a kernel does to guards is not its own doing.
struct ThreadLocal {
  std::size_t begin = 0, end = 0;  // in the module's thread-local storage
  bool guard = false;
};

struct Module {
  std::string path;
  std::uintptr_t base = 0;
  std::vector<std::span<const std::byte>> read_only, writable;  // as loaded
  std::size_t thread_local_bytes =
      0;                            // that have initial values, as threadIdx has; shared memory follows them
  std::vector<ThreadLocal> shared;  // by their beginnings; empty if the module was stripped
};

// The module that contains this function.
Module this_module();

// The line of each return address, relative to the module's base. For inlined code this is the innermost line outside
// of system headers and kernels/runtime, whose helpers have many callers, or else the innermost one in the file of the
// function that it was inlined into. Found by addr2line from the debug information; without it, module and offset are
// given instead.
std::vector<Location> source_lines(const Module& module, std::span<const std::uint32_t> sites);

// The innermost line of these return addresses (innermost first) that is in this module and neither in the runtime nor
// in a system header.
Location source_line(std::span<const std::uintptr_t> addresses);

}  // namespace cuelbo::simt
