// Times variants of a kernel by the device's own clock.
#pragma once

#include <vector>

#include "engine/device.hpp"
#include "tools/lab/call_memory.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// Statistics of one launch over the samples; a sample is the mean of `launches` launches.
struct Measurement {
  double seconds = 0, first_quartile = 0, third_quartile = 0;  // seconds: the median
  double p90 = 0, p99 = 0;
  int samples = 0, launches = 0;
  double drift =
      1;  // the median of the last third of the samples over that of the first: a clock that falls shows here
};

// The memory of one shape's calls. Launches take turns on copies that together exceed twice the device's cache, so that
// each finds its operands outside of it.
class Workbench {
 public:
  // `workspace_bytes` serves all variants to be measured. UsageError: the device has no clock.
  Workbench(Device& device, const Contract& contract, const Shape& shape, std::size_t workspace_bytes);

  // The launches of a sample are one graph, as programs run them, if the device has graphs. Samples are taken until the
  // median is known to half a percent (its notch, McGill, Tukey and Larsen 1978), or for half a second.
  Measurement measure(const kernels::KernelTable& table) const;
  std::size_t bytes() const { return copies_.size() * copy_bytes_; }

 private:
  Device& device_;
  const Contract& contract_;
  Shape shape_;
  std::size_t copy_bytes_;
  std::vector<CallMemory> copies_;
};

// contract.measured(), complete.
std::vector<Shape> measured_shapes(const Contract& contract);

}  // namespace cuelbo::lab
