// The rows of `cuelbo kernels bench`: one per variant and shape.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "tools/lab/compiled/report.hpp"
#include "tools/lab/hardware_counters.hpp"
#include "tools/lab/measure.hpp"
#include "tools/lab/model/bounds.hpp"

namespace cuelbo::lab {

// A call, and how to repeat the row.
struct BenchedCall {
  KernelVariant variant;  // of the CPU: "cpu"
  Shape shape;
  kernels::Cost cost;
  std::string command;
};

struct TimedRow {
  BenchedCall call;
  Measurement measured;
  std::size_t memory_bytes = 0;
  std::optional<double> floor_seconds;  // on this GPU; nothing: its data sheet is not in the table
  std::optional<double>
      library_seconds;  // of the fastest variant that calls a library, of the same precision
  std::optional<MainKernel> compiled;
  HardwareCounters counters;  // if they were asked for
  std::string error;          // of a library that is not here or refuses the shape: nothing was measured
};
nlohmann::ordered_json to_json(const TimedRow& row);
void print(const TimedRow& row);

// On a device without a clock: what was counted, in the JSON under "counted".
struct CountedRow {
  BenchedCall call;
  simt::Profile profile;
  Bound bound;  // on `gpu`
  double floor_seconds = 0;
  const Gpu* gpu;
  std::optional<MainKernel> compiled;
};
nlohmann::ordered_json to_json(const CountedRow& row);
void print(const CountedRow& row);

void print_timed_header();
void print_counted_header();

}  // namespace cuelbo::lab
