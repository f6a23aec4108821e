// How long variants of a kernel take, by the device's own clock.
#pragma once

#include <vector>

#include "engine/device.hpp"
#include "tools/lab/call_memory.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

struct Measurement {
  double seconds = 0, first_quartile = 0, third_quartile = 0;  // of one launch, over the samples
  int samples = 0, launches = 0;                               // a sample is the mean of so many launches
};

// The memory of one shape's calls. Launches take turns on copies that together exceed twice the device's cache, so that
// each finds its operands outside of it.
class Workbench {
 public:
  // `workspace_bytes` serves all variants to be measured.
  Workbench(Device& device, const Contract& contract, const Shape& shape, std::size_t workspace_bytes);

  // The launches of a sample are one graph, as programs run them. UsageError: the device has no clock.
  Measurement measure(const kernels::KernelTable& table) const;
  std::size_t bytes() const { return copies_.size() * copy_bytes_; }

 private:
  Device& device_;
  const Contract& contract_;
  Shape shape_;
  std::size_t copy_bytes_;
  std::vector<CallMemory> copies_;
};

// What a kernel is measured with unless told otherwise: layers of the convolutional model at large batches, and enough
// elements to fill a GPU. Complete.
std::vector<Shape> measured_shapes(const Contract& contract);

}  // namespace cuelbo::lab
