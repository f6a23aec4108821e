// The items for training, validation and test.
#pragma once

#include <cstdint>
#include <vector>

#include "models/data/dataset.hpp"

namespace cuelbo {

// The lists are disjoint and cover the data set. Drawn ones are in random order, so a prefix is a fair
// sample; a test split that the data set comes with is in its own order.
struct Split {
  std::vector<std::int64_t> train, validation, test;
};

// Fractions are of the whole data set; a test split of the data set's own takes the place of test_fraction,
// and validation_fraction is then of the rest. The same seed gives the same split. UsageError: a fraction
// outside [0, 1), or nothing left to train on.
Split make_split(const Dataset& dataset, double validation_fraction, double test_fraction,
                 std::uint64_t seed);

}  // namespace cuelbo
