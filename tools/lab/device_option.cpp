#include "tools/lab/device_option.hpp"

namespace cuelbo {

void add_lab_device(CLI::App& command, DeviceOptions& options, const char* devices) {
  command.add_option("--device", options.name, devices)->capture_default_str();
  command.add_option("--threads", options.threads, "CPU threads, 0 for all")->check(CLI::NonNegativeNumber);
}

}  // namespace cuelbo
