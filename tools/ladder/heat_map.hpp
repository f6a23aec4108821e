// Source lines, coloured by their share of what a kernel's accesses cost.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace cuelbo::ladder {

struct HeatLine {
  std::string file;
  int line = 0;
  double share = 0;  // of the whole, 0 … 1
  std::string note;  // its figures
};

// The files' lines around those of `lines`, which are ordered by file and line.
std::string heat_map(std::span<const HeatLine> lines);

}  // namespace cuelbo::ladder
