// The launch that the module of a user's file offers, as a function of this name.
#pragma once

#include <array>
#include <cstddef>

namespace cuelbo::simt {

struct SourceCall {
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  std::size_t shared_bytes = 0;
  void* stream = nullptr;         // a cudaStream_t
  void* const* arrays = nullptr;  // device memory, in the order of the arguments that are arrays
};
using SourceLaunch = void (*)(const SourceCall& call);
inline constexpr const char* source_launch_symbol = "cuelbo_source_launch";

}  // namespace cuelbo::simt
