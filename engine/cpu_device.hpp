#pragma once

#include <memory>

#include "engine/device.hpp"

namespace cuelbo {

// threads: 0: all that this process may use. precision: fp32 or bf16, which CPUs without instructions for it emulate.
std::unique_ptr<Device> open_cpu_device(int threads, kernels::Precision precision = kernels::Precision::fp32);
DeviceReport report_cpu_device();

}  // namespace cuelbo
