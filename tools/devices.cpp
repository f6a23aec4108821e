#include <fmt/format.h>

#include "engine/device.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

struct DevicesOptions {};

int run_devices(const DevicesOptions&) {
  if (json_wanted()) {
    std::vector<Fields> devices;
    for (const DeviceReport& device : list_devices())
      devices.push_back({{"name", device.name}, {"usable", device.usable}, {"detail", device.detail}});
    print_json(devices);
    return exit_done;
  }
  for (const DeviceReport& device : list_devices())
    fmt::print("{:<12} {:<9} {}\n", device.name, device.usable ? "usable" : "not here", device.detail);
  return exit_done;
}

}  // namespace

void add_devices(CLI::App& app, Run& run) {
  add_command<DevicesOptions>(
      app, run, "devices", "List the devices of this machine, and what the others need",
      [](CLI::App&, DevicesOptions&) {}, run_devices);
}

}  // namespace cuelbo
