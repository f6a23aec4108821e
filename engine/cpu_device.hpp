#pragma once

#include <memory>

#include "engine/device.hpp"

namespace cuelbo {

std::unique_ptr<Device> open_cpu_device(int threads);  // 0: all that this process may use
DeviceReport report_cpu_device();

}  // namespace cuelbo
