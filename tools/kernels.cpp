// `cuelbo kernels`: the kernel lab.
#include "tools/lab/commands.hpp"
#include "tools/ladder/report_command.hpp"

namespace cuelbo {

void add_kernels(CLI::App& app, Run& run) {
  CLI::App* kernels =
      app.add_subcommand("kernels", "Study the CUDA kernels and their variants, with or without a GPU");
  kernels->require_subcommand(1);
  add_kernels_list(*kernels, run);
  add_kernels_check(*kernels, run);
  add_kernels_run(*kernels, run);
  add_kernels_profile(*kernels, run);
  add_kernels_bench(*kernels, run);
  add_kernels_report(*kernels, run);
}

}  // namespace cuelbo
