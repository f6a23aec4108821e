#include "models/run_data.hpp"

#include "engine/error.hpp"
#include "models/data/describe.hpp"

namespace cuelbo {

RunData open_run_data(const RunConfig& config) {
  RunData data{.dataset = open_dataset(config.data, config.seed), .split = {}};
  check_pixels(*data.dataset, config.likelihood);
  data.split = make_split(*data.dataset, config.data, config.seed);
  return data;
}

void check_pixels(const Dataset& dataset, Likelihood likelihood) {
  if (likelihood != Likelihood::bernoulli || (dataset.info().lowest >= 0 && dataset.info().highest <= 1))
    return;
  fail(
      "{}: its pixels are in {} ({}), decoder.likelihood = \"bernoulli\" needs [0, 1]: set data.scale, the "
      "value "
      "that becomes 1, or decoder.likelihood = \"gaussian\"",
      dataset.name(), range_text(dataset), scale_text(dataset));
}

}  // namespace cuelbo
