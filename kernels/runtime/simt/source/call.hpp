// The launch that the module of a user's file offers, as a function of this name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cuelbo::simt {

struct SourceCall {
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  std::size_t shared_bytes = 0;
  std::uint64_t code_limit = 0;   // of each block, see BlockTask
  void* stream = nullptr;         // a cudaStream_t
  void* const* arrays = nullptr;  // device memory, in the order of the arguments that are arrays
};
using SourceLaunch = const char* (*)(const SourceCall& call);  // why it cannot be launched; null: it is
inline constexpr const char* source_launch_symbol = "cuelbo_source_launch";

}  // namespace cuelbo::simt
