// Checks that a run is used with the configuration and data that it was trained with.
#pragma once

#include "models/run_directory.hpp"

namespace cuelbo {

// ChangedError if config.toml or the data differs from training, unless that is accepted, which is then noted.
void check_config(const RunDirectory& run, const Fingerprint& trained, bool accept_changes);
void check_data(const RunDirectory& run, const Fingerprint& trained, const Dataset& data,
                bool accept_changes);

}  // namespace cuelbo
