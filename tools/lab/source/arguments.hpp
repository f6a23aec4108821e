// The arguments of a kernel of a user's file, as --args says them: "f32[1024] out; f32[1024]=random; i32=1024".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

struct SourceArgument {
  std::string type;                // of an element in C++: "float4"
  bool array = false;              // else the value of a scalar
  Buffer buffer;                   // of an array: scalars of C++, so a float4 is four
  std::vector<std::byte> element;  // what an array holds everywhere; empty: what buffer.fill says
  std::string value;               // of a scalar, as C++ writes it
  std::string text;                // of a scalar, as the user writes it: "i32=1024"
};

// UsageError: one is not understood, holds a number that its type does not have, or they exceed this machine's memory.
std::vector<SourceArgument> parse_source_arguments(const std::string& text);

}  // namespace cuelbo::lab
