// The figures that evaluate reports for a trained model on its test split.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "models/codes.hpp"
#include "models/run_directory.hpp"

namespace cuelbo {

struct EvaluationOptions {
  std::int64_t max_items = 0;           // of the test split; 0: all
  std::int64_t importance_items = 256;  // items of the importance-weighted bound
  std::int64_t importance_samples = 64;
};

struct Evaluation {
  std::int64_t items = 0, step = 0;
  std::string dataset, checkpoint;
  std::string weights_crc32;           // weights_checksum()
  Binarize binarize = Binarize::none;  // of the images; dynamic: the fixed draw of the run's seed
  double log_likelihood = 0;           // E log p(x|z), one sample an item, relaxed decoding
  Decomposition decomposition;         // exact, over the evaluated items
  double elbo = 0;                     // log_likelihood − Σ terms
  double importance_bound = 0;         // log p(x) ≥, Burda et al. 2016 (arXiv 1509.00519)
  std::int64_t importance_items = 0, importance_samples = 0;
  std::vector<double> mean_variance;  // Var over items of the mean of each Gaussian dimension
  std::int64_t active_units = 0;      // of them above 0.01 (Burda et al. 2016)
};

Evaluation evaluate(LoadedModel& loaded, const Dataset& dataset, std::span<const std::int64_t> items,
                    const EvaluationOptions& options);
nlohmann::json to_json(const Evaluation& evaluation, const GroupTree& tree);

}  // namespace cuelbo
