#include "tools/lab/device_option.hpp"

#include "tools/options.hpp"

namespace cuelbo {

void add_lab_device(CLI::App& command, DeviceOptions& options, const char* devices) {
  command.add_option("--device", options.name, devices)->capture_default_str();
  add_threads_option(command, options.threads);
}

}  // namespace cuelbo
