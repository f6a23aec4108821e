#include "tools/report/chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/report/html.hpp"

namespace cuelbo {

namespace {

constexpr std::size_t max_points = 400;  // of a drawn line
constexpr double early_part = 0.2;       // of the steps; what happens in it may lie below the axis
constexpr double size = 1000;            // side of the SVG's own square
constexpr double margin = 1.012;         // the axis is that much longer than the run, for the last dot

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double span() const { return high - low; }
};

// Every k-th point and the last.
LogSeries thinned(const LogSeries& series) {
  const std::size_t stride = (series.values.size() + max_points - 1) / max_points;
  if (stride <= 1) return series;
  LogSeries result;
  for (std::size_t i = (series.values.size() - 1) % stride; i < series.values.size(); i += stride) {
    result.steps.push_back(series.steps[i]);
    result.values.push_back(series.values[i]);
  }
  return result;
}

// All values, less those of the first steps that would flatten the rest.
Range value_range(const Chart& chart) {
  Range range, settled;
  for (const LogSeries* series : {&chart.train, &chart.validation})
    for (std::size_t i = 0; i < series->values.size(); ++i) {
      range.add(series->values[i]);
      if (series->steps[i] >= early_part * chart.last_step) settled.add(series->values[i]);
    }
  if (chart.from_below && settled.span() > 0 && range.span() > 2 * settled.span())
    range.low = std::max(range.low, settled.low - 0.25 * settled.span());
  const double pad = range.span() > 0 ? 0.06 * range.span() : std::max(0.5, 0.05 * std::abs(range.high));
  return {.low = range.low - pad, .high = range.high + pad};
}

std::string tick_label(double value, double step) {
  const int decimals = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  return html::number(value, decimals);
}

std::string step_label(double step) {
  if (step == 0) return "step 0";
  if (step >= 1e6) return fmt::format("{:g} M", step / 1e6);
  return html::count(std::llround(step));
}

std::string rounded_list(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += fmt::format("{}{:.6g}", text.empty() ? "" : ",", value);
  return "[" + text + "]";
}

class Plot {
 public:
  explicit Plot(const Chart& chart)
      : range_(value_range(chart)),
        end_(margin * std::max(chart.last_step, 1.0)),
        train_(thinned(chart.train)),
        validation_(thinned(chart.validation)),
        wide_(chart.wide) {}

  std::string html() const {
    const std::vector<double> y_ticks = ticks(range_.low, range_.high, 4);
    const std::vector<double> x_ticks = ticks(0, end_, wide_ ? 6 : 2);
    std::string grid, labels;
    const double tick_step = y_ticks.size() > 1 ? y_ticks[1] - y_ticks[0] : 1;
    for (const double value : y_ticks) {
      grid += fmt::format("M0 {:.1f}H{}", y(value), size);
      labels += fmt::format("<span class=\"y\" style=\"top:{:.2f}%\">{}</span>", y(value) * 100 / size,
                            tick_label(value, tick_step));
    }
    for (const double step : x_ticks)
      labels += fmt::format("<span class=\"x\" style=\"left:{:.2f}%\">{}</span>", x(step) * 100 / size,
                            step_label(step));
    return fmt::format(
        "<div class=\"plot\" data-end=\"{:g}\" data-train='{}' data-validation='{}'>"
        "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"grid\" "
        "d=\"{}\"/>"
        "<path class=\"train\" d=\"{}\"/><path class=\"validation\" d=\"{}\"/><path class=\"dots\" "
        "d=\"{}\"/></svg>"
        "{}<span class=\"cursor\"></span></div>",
        end_, data(train_), data(validation_), size, size, grid, line(train_), line(validation_),
        dots(validation_), labels);
  }

 private:
  double x(double step) const { return size * step / end_; }
  double y(double value) const { return size * (range_.high - value) / range_.span(); }

  std::string line(const LogSeries& series) const {
    std::string path;
    for (std::size_t i = 0; i < series.values.size(); ++i)
      path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x(series.steps[i]), y(series.values[i]));
    return path;
  }

  // Lines of no length, whose round ends stay round however the SVG is stretched.
  std::string dots(const LogSeries& series) const {
    std::string path;
    if (series.values.size() > 40) return path;
    for (std::size_t i = 0; i < series.values.size(); ++i)
      path += fmt::format("M{:.1f} {:.1f}h0", x(series.steps[i]), y(series.values[i]));
    return path;
  }

  static std::string data(const LogSeries& series) {
    return fmt::format("[{},{}]", rounded_list(series.steps), rounded_list(series.values));
  }

  Range range_;
  double end_;
  LogSeries train_, validation_;
  bool wide_;
};

std::string readout(const char* name, const LogSeries& series) {
  if (series.values.empty()) return "";
  return fmt::format("<span class=\"{0}\" title=\"{0}\"><i></i><output>{1}</output></span>", name,
                     html::number(series.values.back()));
}

}  // namespace

std::vector<double> ticks(double low, double high, int wanted) {
  if (!(high > low)) return {low};
  const double raw = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
  std::vector<double> result;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (int k = 0; first + k <= last; ++k) result.push_back((first + k) * step);
  return result;
}

std::string to_html(const Chart& chart) {
  const bool empty = chart.train.values.empty() && chart.validation.values.empty();
  return fmt::format(
      "<figure class=\"chart{}\"><figcaption><b>{}</b><span class=\"readout\">{}{}</span><small>nats · "
      "{}</small></figcaption>{}"
      "</figure>\n",
      chart.wide ? " wide" : "", chart.title, readout("train", chart.train),
      readout("validation", chart.validation), chart.note,
      empty ? "<p class=\"missing\">no records yet</p>" : Plot(chart).html());
}

}  // namespace cuelbo
