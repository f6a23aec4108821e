// Selection by factors: "shape=heart,scale>0.6,posX<=0.5".
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "models/data/dataset.hpp"

namespace cuelbo {

// The items, ascending, for which every condition holds. A condition is a factor's name, one of = != < <= >
// >=, and a number, or for = and != values with | between them: labels, or numbers to three decimals. A name or value in
// quotes may hold anything: class="a, b"|'c|d'. UsageError: an unknown factor (with the nearest), a value that = and
// != cannot match, a malformed condition.
std::vector<std::int64_t> select_items(const Dataset& dataset, std::string_view where);

// The data set of those items; the data set itself for an empty text. UsageError also if nothing is selected.
std::shared_ptr<const Dataset> filter(std::shared_ptr<const Dataset> dataset, std::string_view where);

}  // namespace cuelbo
