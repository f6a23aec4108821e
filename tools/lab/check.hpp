// Compares one variant of a kernel with its double-precision reference.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/device_module.hpp"
#include "tools/lab/contract.hpp"
#include "tools/lab/inputs.hpp"

namespace cuelbo::lab {

struct Fault {
  Shape shape;
  Inputs inputs;
  std::string text;  // what is wrong, in one line
};

struct CheckResult {
  int checks = 0;
  double error = 0;           // largest |actual − reference| / (1 + |reference|)
  std::vector<Fault> faults;  // the first of every shape
};

// Runs the variant, which `table` has, for complete shapes and all kinds of inputs; integers are compared exactly if the contract says
// so, and are at addresses that are multiples of 4 bytes only. Every buffer is between sentinels, outputs and
// workspace begin as NaN, inputs must come back unchanged, and where `module` can set the order of threads, each of
// `orders` must give the same bits. The reference computes with factors rounded to the variant's precision; noise of the
// variant's own is compared with the normal distribution instead.
CheckResult check(Device& device, const DeviceModule& module, const kernels::KernelTable& table,
                  const KernelVariant& variant, const Contract& contract, std::span<const Shape> shapes,
                  std::span<const int> orders);

}  // namespace cuelbo::lab
