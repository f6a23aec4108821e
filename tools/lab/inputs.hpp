// The contents of a call's buffers: values drawn from a seed, as the host and as the device see them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

enum class Inputs : std::uint8_t {
  real,       // what Buffer::fill says
  integers,   // small ones in place of normal ones: sums of their products are exact in fp32
  non_finite  // real ones, a few of them replaced by NaN and ±Inf
};
const char* name_of(Inputs inputs);

// Values of buffer `index` of a call, what its type can hold.
std::vector<double> draw(const Buffer& buffer, Inputs inputs, std::uint64_t seed, std::size_t index);

// Values as the buffer's type.
void store(const Buffer& buffer, const std::vector<double>& values, std::span<std::byte> to);
std::vector<double> load(const Buffer& buffer, std::span<const std::byte> from);

}  // namespace cuelbo::lab
