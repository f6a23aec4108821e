// A chart of one quantity over the training steps: training as a line, validation as dots on a line.
#pragma once

#include <string>
#include <vector>

#include "tools/report/run_log.hpp"

namespace cuelbo {

struct Chart {
  std::string title, note;  // HTML
  LogSeries train, validation;
  double last_step = 0;  // right end of the axis, common to all charts of a page
  bool wide = false;
  bool from_below =
      false;  // the first steps may lie far below the rest: the axis then begins where the rest does
};

// An HTML figure. Lines are drawn in an SVG that stretches with the page; labels are text of the page's own size beside it.
std::string to_html(const Chart& chart);

// Round numbers in [low, high], about `wanted` of them.
std::vector<double> ticks(double low, double high, int wanted);

}  // namespace cuelbo
