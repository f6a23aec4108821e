#include "models/run_data.hpp"

#include <filesystem>
#include <system_error>

#include "engine/error.hpp"
#include "models/data/describe.hpp"

namespace cuelbo {

std::shared_ptr<const Dataset> open_own_data(const RunConfig& config, const std::string& config_file) {
  try {
    return open_dataset(config.data, config.seed);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    std::error_code ignored;
    if (config.data.path.empty() || std::filesystem::exists(config.data.path, ignored)) throw;
    fail("{}; if the data has moved, data.path in '{}' may be edited", error.what(), config_file);
  }
}

RunData open_run_data(const RunConfig& config, const std::string& config_file) {
  RunData data{.dataset = config_file.empty() ? open_dataset(config.data, config.seed)
                                              : open_own_data(config, config_file),
               .split = {}};
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
