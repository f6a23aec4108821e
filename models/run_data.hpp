// The data of a run exactly as its model sees it: training, evaluation and pictures read this and nothing else.
#pragma once

#include <memory>

#include "models/config.hpp"
#include "models/data/dataset.hpp"
#include "models/data/split.hpp"

namespace cuelbo {

struct RunData {
  std::shared_ptr<const Dataset> dataset;
  Split split;
};

// Error: what open_dataset, make_split and check_pixels refuse.
RunData open_run_data(const RunConfig& config);

// Error unless the pixels are in the range of the likelihood.
void check_pixels(const Dataset& dataset, Likelihood likelihood);

}  // namespace cuelbo
