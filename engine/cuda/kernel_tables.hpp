// The CUDA kernels as tables: the best variants, or one of them exchanged.
#pragma once

#include <string_view>
#include <vector>

#include "engine/device_module.hpp"

namespace cuelbo::cuda {

const kernels::KernelTable& default_table();  // the best fp32 variant of ours of every kernel
std::vector<KernelVariant> list_variants();
const kernels::KernelTable* table_with(std::string_view kernel,
                                       std::string_view variant);  // null: no such variant

}  // namespace cuelbo::cuda
