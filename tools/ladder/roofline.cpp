#include "tools/ladder/roofline.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/ladder/svg.hpp"

namespace cuelbo::ladder {

namespace {

constexpr double width = 640, height = 380, left = 88, right = 130, top = 16, bottom = 46;

constexpr const char *ink = "#1b1d22", *soft = "#5d636e", *grid = "#ecedea";
constexpr const char* colours[] = {"#b03a48", "#c9691b", "#2f62c9", "#16876f", "#9b3f96", "#7a7411"};

// Whole decades that hold all values.
struct Axis {
  int first = 0, last = 1;
  double begin = 0, length = 1;  // on the picture

  static Axis of(std::vector<double> values, double begin, double length) {
    const auto [least, most] = std::ranges::minmax(values);
    Axis axis{static_cast<int>(std::floor(std::log10(least))), static_cast<int>(std::ceil(std::log10(most))),
              begin, length};
    if (axis.last == axis.first) ++axis.last;
    return axis;
  }
  double place(double value) const { return begin + length * (std::log10(value) - first) / (last - first); }
};

std::string decade(int power, const char* unit) {
  constexpr const char* prefixes[] = {"", "k", "M", "G", "T", "P"};
  const int index = std::clamp(power / 3, 0, 5);
  return fmt::format("{:g} {}{}", std::pow(10.0, power - 3 * index), prefixes[index], unit);
}

}  // namespace

std::string roofline(std::span<const Slope> slopes, std::span<const Roof> roofs,
                     std::span<const RooflinePoint> points) {
  double highest = 0;
  std::vector<double> intensities, rates;
  for (const Roof& roof : roofs) {
    highest = std::max(highest, roof.flops);
    rates.push_back(roof.flops);
  }
  for (const Slope& slope : slopes) intensities.push_back(highest / slope.bandwidth * 2);
  for (const RooflinePoint& point : points) {
    intensities.push_back(point.intensity);
    rates.push_back(point.flops);
  }
  const Axis x = Axis::of(intensities, left, width - left - right);
  const Axis y = Axis::of(rates, height - bottom, -(height - top - bottom));
  const double x_end = left + x.length, low = std::pow(10.0, x.first), floor = std::pow(10.0, y.first);

  Svg svg(width, height);
  for (int power = x.first; power <= x.last; ++power) {
    const double at = x.place(std::pow(10.0, power));
    svg.line(at, top, at, height - bottom, grid);
    svg.text(at, height - bottom + 16, fmt::format("{:g}", std::pow(10.0, power)), soft, 11,
             Svg::Anchor::middle);
  }
  for (int power = y.first; power <= y.last; ++power) {
    const double at = y.place(std::pow(10.0, power));
    svg.line(left, at, x_end, at, grid);
    svg.text(left - 6, at + 4, decade(power, "FLOP/s"), soft, 11, Svg::Anchor::end);
  }
  svg.text(left + x.length / 2, height - 8, "FLOP for each byte that its requests move", soft, 11,
           Svg::Anchor::middle);
  for (const Slope& slope : slopes) {
    const double from = std::max(low, floor / slope.bandwidth), to = highest / slope.bandwidth;
    svg.line(x.place(from), y.place(from * slope.bandwidth), x.place(to), y.place(highest), ink, 1.5,
             &slope != slopes.data());
    // Beside the line, in the middle: the first to its left, others to its right.
    const double rate = std::pow(10.0, y.first + 0.55 * (y.last - y.first)),
                 at = x.place(rate / slope.bandwidth);
    const bool first = &slope == slopes.data();
    svg.text(at + (first ? -8 : 12), y.place(rate) + 4,
             fmt::format("{} {:.3g} TB/s", slope.name, 1e-12 * slope.bandwidth), ink, 11,
             first ? Svg::Anchor::end : Svg::Anchor::start);
  }
  for (const Roof& roof : roofs) {
    const double from = slopes.empty() ? low : roof.flops / slopes.front().bandwidth;
    svg.line(x.place(from), y.place(roof.flops), x_end, y.place(roof.flops), ink, 1.5);
    svg.text(x_end + 6, y.place(roof.flops) + 4,
             fmt::format("{} {:.3g} TFLOP/s", roof.name, 1e-12 * roof.flops), ink, 11);
  }
  // The names in the corner where no point can be: much done with each byte, and slowly.
  double label = height - bottom - 15 * static_cast<double>(points.size());
  for (std::size_t i = 0; i < points.size(); ++i, label += 15) {
    const char* const colour = colours[i % std::size(colours)];
    svg.circle(x.place(points[i].intensity), y.place(points[i].flops), 5, colour);
    svg.circle(x_end - 132, label - 4, 4, colour);
    svg.text(x_end - 122, label, points[i].name, colour, 12);
  }
  return std::move(svg).finish();
}

}  // namespace cuelbo::ladder
