#pragma once

#include "tools/commands.hpp"

namespace cuelbo {

void add_kernels_report(CLI::App& kernels, Run& run);

}  // namespace cuelbo
