// The origin of figures: the program, the machine and the time, for files of measurements.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cuelbo::lab {

// Keys and values: commit, compiler, flags, cpu (the processor's model) and date (UTC), in this order.
std::vector<std::pair<std::string, std::string>> measurement_origin();

}  // namespace cuelbo::lab
