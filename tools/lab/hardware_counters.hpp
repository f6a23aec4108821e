// The hardware counters of a GPU for one call, from Nsight Compute.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// Sums over the kernels of a call, by our names: "dram_bytes", "l2_bytes", "global_load_sectors", "global_load_requests",
// "global_store_sectors", "global_store_requests", "shared_wavefronts".
using HardwareCounters = std::map<std::string, double>;

// Runs `cuelbo kernels run` under ncu. Throws Error: ncu is missing, may not read the counters, or its output is
// unexpected.
HardwareCounters count_in_hardware(const std::string& kernel_variant, const Shape& shape,
                                   const std::string& device);

// ncu's output with --csv --page raw --print-units base. Throws Error.
HardwareCounters parse_ncu(std::string_view text);

}  // namespace cuelbo::lab
