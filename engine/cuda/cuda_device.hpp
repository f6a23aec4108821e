#pragma once

#include <memory>

#include "engine/device.hpp"

namespace cuelbo::cuda {

// Throws Error if there is no such GPU, no driver, or a GPU that the kernels were not compiled for.
std::unique_ptr<Device> open_device(int index, const DeviceOptions& options);
DeviceReport report_device();

}  // namespace cuelbo::cuda
