// The data and configuration that a run was trained with. Checkpoints carry it; commands that use a run compare it.
#pragma once

#include <cstdint>
#include <string>

#include "models/config.hpp"
#include "models/data/dataset.hpp"

namespace cuelbo {

struct Fingerprint {
  std::string config;  // a line "key = value" for each key that results depend on
  std::int64_t items = 0, height = 0, width = 0, channels = 0;  // of the data set
  Dtype stored = Dtype::boolean;                                // type of the pixels in the file
  std::string checksum;                                         // Dataset::checksum, 8 hexadecimal digits

  bool empty() const { return checksum.empty(); }  // of a checkpoint by an older program
};

Fingerprint make_fingerprint(const RunConfig& config, const Dataset& dataset);

// Describes the differences for a message, as in "seed is 4, it was 3". Empty if there are none, or no fingerprint.
std::string config_changes(const Fingerprint& trained, const RunConfig& now);
std::string data_changes(const Fingerprint& trained, const Dataset& now);

}  // namespace cuelbo
