// Whether a run is used with what it was trained with.
#pragma once

#include "models/run_directory.hpp"

namespace cuelbo {

// ChangedError if config.toml or the data is not what the run was trained with, unless that is accepted and noted.
void check_config(const RunDirectory& run, const Fingerprint& trained, bool accept_changes);
void check_data(const RunDirectory& run, const Fingerprint& trained, const Dataset& data,
                bool accept_changes);

}  // namespace cuelbo
