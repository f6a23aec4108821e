// The variants of a kernel one after the other, with what the lab finds out about each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/device_module.hpp"
#include "tools/lab/compiled/report.hpp"
#include "tools/lab/contract.hpp"
#include "tools/lab/model/report.hpp"

namespace cuelbo::ladder {

struct Rung {
  KernelVariant variant;
  simt::Profile profile;
  lab::CompilerReport compiled;
  lab::ModelReport model;

  std::int64_t moved_bytes() const { return profile.loaded + profile.stored; }
  // The sectors that the bytes of all global accesses would fill, over those that they touch; 1 if there are none.
  double sector_efficiency() const;
  double wavefronts_over_ideal() const;  // of shared memory; 0: it is not used
};

struct Ladder {
  std::string kernel;
  std::string shape_text;  // as --shape takes it
  lab::Shape shape;        // complete
  kernels::Cost cost;
  std::vector<Rung> rungs;  // what is executed here, in order
  // Medians by the variant's name, in seconds, where there was a GPU: of those that call a library, too.
  std::map<std::string, double> measured;
  std::string measured_on;                  // the device's description
  std::vector<KernelVariant> not_executed;  // that call a library
};

// Kernels of at least three variants.
std::vector<std::string> kernels_with_ladders(const DeviceModule& module);

// The device is that of the module, simt-checked.
Ladder measure_ladder(const std::string& kernel, const lab::Gpu& gpu, const DeviceModule& module,
                      Device& device);

// The device is that of the module, cuda.
void measure_times(Ladder& ladder, const DeviceModule& module, Device& device);

}  // namespace cuelbo::ladder
