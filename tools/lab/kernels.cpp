// `cuelbo kernels`: the kernel lab.
#include "tools/lab/commands.hpp"

namespace cuelbo {

void add_kernels(CLI::App& app, Run& run) {
  CLI::App* kernels =
      app.add_subcommand("kernels", "Study the CUDA kernels and their variants, with or without a GPU");
  kernels->require_subcommand(1);
  add_kernels_list(*kernels, run);
  add_kernels_check(*kernels, run);
}

}  // namespace cuelbo
