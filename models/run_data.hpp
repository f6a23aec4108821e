// The data of a run exactly as its model sees it: training, evaluation and pictures read this and nothing else.
#pragma once

#include <memory>
#include <string>

#include "models/config.hpp"
#include "models/data/dataset.hpp"
#include "models/data/split.hpp"

namespace cuelbo {

struct RunData {
  std::shared_ptr<const Dataset> dataset;
  Split split;
};

// Error: what open_dataset, make_split and check_pixels refuse. Where a run exists already, `config_file` is its config.toml, as
// below.
RunData open_run_data(const RunConfig& config, const std::string& config_file = "");

// open_dataset for the data of a run that exists; the error of missing data says where its path is.
std::shared_ptr<const Dataset> open_own_data(const RunConfig& config, const std::string& config_file);

// Error unless the pixels are in the range of the likelihood.
void check_pixels(const Dataset& dataset, Likelihood likelihood);

}  // namespace cuelbo
