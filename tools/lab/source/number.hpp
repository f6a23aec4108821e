// Numbers that a user writes for values of a C++ type: taken exactly, or refused with the range that the type has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/array.hpp"

namespace cuelbo::lab {

// A value of one type: its bytes, and how C++ writes it.
struct Number {
  std::vector<std::byte> bytes;
  std::string code;  // "static_cast<unsigned char>(44LL)", "-0.5F"
};

// Parses `text` as a value of `type` (8 to 64 bits, or f32, f64), which messages call `name`. Integers may be decimal,
// hexadecimal (0xff) or written like 1e6; floats decimal or hexadecimal (0x1.8p3), rounded to the nearest. Error: it is not a number, not a whole one,
// not finite, or outside the range of the type; a float that would become 0 is outside too.
Number parse_number(std::string_view text, Dtype type, std::string_view name);

// A count, from 1 on. Error for anything else.
std::int64_t parse_count(std::string_view text);

// The largest n for which the type holds every whole number 0 … n.
std::uint64_t largest_index(Dtype type);

}  // namespace cuelbo::lab
