// Resolves KERNEL or KERNEL/VARIANT.
#pragma once

#include <string_view>
#include <vector>

#include "engine/device_module.hpp"

namespace cuelbo::lab {

// Those of `all` that the name means: of a KERNEL all, of KERNEL/VARIANT one, of an empty name everything. VARIANT may
// be its place in the ladder, from 0 on, or `best`: what programs use. Throws
// UsageError that shows the nearest name if it means none.
std::vector<KernelVariant> select(const std::vector<KernelVariant>& all, std::string_view name);

// For a bare KERNEL, the variant that programs use.
KernelVariant select_one(const std::vector<KernelVariant>& all, std::string_view name);

const char* name_of(kernels::Precision precision);

}  // namespace cuelbo::lab
