// The options of lab commands that choose a device.
#pragma once

#include <CLI/CLI.hpp>

#include "engine/device.hpp"

namespace cuelbo {

// --device and --threads.
void add_lab_device(CLI::App& command, DeviceOptions& options, const char* devices);

}  // namespace cuelbo
