// The shared library or program that kernels were compiled into: its memory and its source lines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/simt/block.hpp"

namespace cuelbo::simt::checked {

struct Module {
  std::string path;
  std::uintptr_t base = 0;
  std::vector<std::span<const std::byte>> read_only, writable;  // as loaded
  std::size_t thread_local_bytes =
      0;  // that have initial values, as threadIdx has; shared memory lies behind them
  // Among the thread-local variables, sorted: the guards that g++ puts beside a static array of class type and asks, though
  // its constructor does nothing. They are no accesses of the kernel's.
  std::vector<std::size_t> guards;
};

// The module that contains this function.
Module this_module();

// The line of each return address, relative to the module's base; of inlined code, the line in the kernel that called the
// runtime. By addr2line, which reads the debug information; without it, module and offset stand in.
std::vector<Location> source_lines(const Module& module, std::span<const std::uint32_t> sites);

}  // namespace cuelbo::simt::checked
