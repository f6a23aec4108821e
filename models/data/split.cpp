#include "models/data/split.hpp"

#include <cmath>
#include <numeric>

#include "engine/error.hpp"
#include "models/data/random.hpp"

namespace cuelbo {
namespace {

std::int64_t part(double fraction, std::int64_t size, const char* key) {
  if (!(fraction >= 0 && fraction < 1))
    usage_fail("{} is {}; it must be at least 0 and below 1", key, fraction);
  return std::llround(fraction * static_cast<double>(size));
}

}  // namespace

Split make_split(const Dataset& dataset, double validation_fraction, double test_fraction,
                 std::uint64_t seed) {
  const std::int64_t own_test = dataset.info().test_size;
  const std::int64_t drawn = dataset.size() - own_test;
  const std::int64_t validation = part(validation_fraction, drawn, "validation_fraction");
  const std::int64_t test = own_test > 0 ? 0 : part(test_fraction, drawn, "test_fraction");
  if (validation + test >= drawn)
    usage_fail("nothing is left to train on: {} items, {} of them for validation and {} for the test",
               dataset.size(), validation, test + own_test);

  std::vector<std::int64_t> order(static_cast<std::size_t>(drawn));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  shuffle(order, seed, DataStream::split, 0);

  Split split;
  const auto test_end = order.begin() + test, validation_end = test_end + validation;
  split.test.assign(order.begin(), test_end);
  split.validation.assign(test_end, validation_end);
  split.train.assign(validation_end, order.end());
  for (std::int64_t item = drawn; item < dataset.size(); ++item) split.test.push_back(item);
  return split;
}

}  // namespace cuelbo
