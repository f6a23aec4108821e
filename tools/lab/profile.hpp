// Executes kernels and counts what they access. The device is that of the module, simt-checked.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/device_module.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

simt::Profile profile(const DeviceModule& module, Device& device, const std::function<void()>& launches);

// The sum of all lines: counts only, without their locations.
simt::AccessProfile totals(const simt::Profile& profile);

// One call on inputs drawn from the seed.
simt::Profile profile_variant(const KernelVariant& variant, const Shape& shape, std::uint64_t seed,
                              const DeviceModule& module, Device& device);

}  // namespace cuelbo::lab
