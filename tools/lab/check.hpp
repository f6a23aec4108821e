// Compares one variant of a kernel with its double-precision reference.
#pragma once

#include <string>

#include "engine/device_module.hpp"
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
// `table` has the variant. The reference computes with factors rounded to the variant's precision; noise of the variant's own
// is compared with the normal distribution instead.
CheckResult check(Device& device, const kernels::KernelTable& table, const KernelVariant& variant,
                  const Contract& contract, const Shape& shape, Inputs inputs);

}  // namespace cuelbo::lab
