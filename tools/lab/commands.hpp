// The subcommands of `cuelbo kernels`.
#pragma once

#include "tools/commands.hpp"

namespace cuelbo {

void add_kernels_list(CLI::App& kernels, Run& run);
void add_kernels_check(CLI::App& kernels, Run& run);
void add_kernels_run(CLI::App& kernels, Run& run);
void add_kernels_profile(CLI::App& kernels, Run& run);
void add_kernels_bench(CLI::App& kernels, Run& run);

}  // namespace cuelbo
