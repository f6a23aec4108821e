// `cuelbo kernels`: the kernel lab.
#include "tools/lab/commands.hpp"

namespace cuelbo {

void add_lab_device(CLI::App& command, DeviceOptions& options, const char* devices) {
  command.add_option("--device", options.name, devices)->capture_default_str();
  command.add_option("--threads", options.threads, "CPU threads, 0 for all")->check(CLI::NonNegativeNumber);
}

void add_kernels(CLI::App& app, Run& run) {
  CLI::App* kernels =
      app.add_subcommand("kernels", "Study the CUDA kernels and their variants, with or without a GPU");
  kernels->require_subcommand(1);
  add_kernels_list(*kernels, run);
  add_kernels_check(*kernels, run);
  add_kernels_run(*kernels, run);
  add_kernels_profile(*kernels, run);
  add_kernels_bench(*kernels, run);
}

}  // namespace cuelbo
