// Bounds as people and programs read them.
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "tools/lab/model/bounds.hpp"

namespace cuelbo::lab {

// The bounds of a call on a GPU, beside the counts of a profiled variant.
struct ModelReport {
  const Gpu* gpu;
  kernels::Cost cost;
  kernels::Precision precision = kernels::Precision::fp32;
  Bound floor, bound;
};

ModelReport report_model(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision,
                         const simt::Profile& profile, std::span<const simt::Launch> launches);

nlohmann::ordered_json to_json(const ModelReport& report);
void print(const ModelReport& report);

}  // namespace cuelbo::lab
