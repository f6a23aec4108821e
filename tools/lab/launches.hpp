// The launches of a variant.
#pragma once

#include <string>
#include <vector>

#include "engine/device_module.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// The launches of one call at a shape, in order; nothing runs and no memory is needed. The device is that of the
// module, simt or simt-checked. Throws Error for a variant that calls a library.
std::vector<simt::Launch> launches_of(const KernelVariant& variant, const Shape& shape,
                                      const DeviceModule& module, const Device& device);

}  // namespace cuelbo::lab
