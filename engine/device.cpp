#include "engine/device.hpp"

#include "engine/cpu_device.hpp"
#include "engine/error.hpp"

namespace cuelbo {

std::unique_ptr<Device> open_device(const DeviceOptions& options) {
  if (options.name == "cpu" || options.name == "auto") return open_cpu_device(options.threads);
  usage_fail("there is no device '{}': use auto or cpu", options.name);
}

std::vector<DeviceReport> list_devices() { return {report_cpu_device()}; }

}  // namespace cuelbo
