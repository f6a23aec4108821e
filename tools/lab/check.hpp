// Compares one variant of a kernel with its double-precision reference.
#pragma once

#include <string>

#include "engine/device.hpp"
#include "kernels/variants.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

enum class Inputs : std::uint8_t {
  real,     // compared within the contract's tolerance; buffers aligned to 256 bytes
  integers  // small ones, compared exactly, if the contract allows; buffers aligned to 4 bytes only
};

struct CheckResult {
  std::string fault;               // what is wrong, in one line; empty: nothing
  double error = 0;                // largest |actual − reference| / (1 + |reference|)
  std::vector<std::byte> outputs;  // their bits, to compare runs with
};

// Every buffer stands between sentinels; outputs and workspace begin as NaN, inputs must come back unchanged.
// The reference computes with factors rounded as `precision` says.
CheckResult check(Device& device, const kernels::KernelTable& table, const Contract& contract,
                  const Shape& shape, Inputs inputs, kernels::Precision precision);

}  // namespace cuelbo::lab
