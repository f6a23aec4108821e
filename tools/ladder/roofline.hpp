// The roofline of a GPU and where the variants of a kernel stand under it (Williams, Waterman and Patterson 2009).
#pragma once

#include <span>
#include <string>
#include <vector>

namespace cuelbo::ladder {

struct Roof {
  std::string name;  // "fp32"
  double flops = 0;  // per second
};
struct Slope {
  std::string name;      // "memory"
  double bandwidth = 0;  // bytes per second
};
struct RooflinePoint {
  std::string name;
  double intensity = 0;  // FLOP for each byte that it moves
  double flops = 0;      // per second, at most
};

// Both axes are logarithmic. No point is above the first slope; the others are drawn dashed.
std::string roofline(std::span<const Slope> slopes, std::span<const Roof> roofs,
                     std::span<const RooflinePoint> points);

}  // namespace cuelbo::ladder
