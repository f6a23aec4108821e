#include "tools/ladder/svg.hpp"

#include <fmt/format.h>

#include "tools/report/html.hpp"

namespace cuelbo::ladder {

Svg::Svg(double width, double height) {
  out_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" "
      "height=\"{1:g}\" "
      "font-family=\"system-ui, sans-serif\">\n",
      width, height);
  rectangle(0, 0, width, height, "#ffffff");
}

void Svg::rectangle(double x, double y, double width, double height, std::string_view fill) {
  out_ += fmt::format("<rect x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\" fill=\"{}\"/>\n", x,
                      y, width, height, fill);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view stroke, double width,
               bool dashed) {
  out_ += fmt::format(
      "<line x1=\"{:.4g}\" y1=\"{:.4g}\" x2=\"{:.4g}\" y2=\"{:.4g}\" stroke=\"{}\" "
      "stroke-width=\"{:g}\"{}/>\n",
      x1, y1, x2, y2, stroke, width, dashed ? " stroke-dasharray=\"4 3\"" : "");
}

void Svg::circle(double x, double y, double radius, std::string_view fill) {
  out_ += fmt::format("<circle cx=\"{:.4g}\" cy=\"{:.4g}\" r=\"{:g}\" fill=\"{}\"/>\n", x, y, radius, fill);
}

void Svg::text(double x, double y, std::string_view text, std::string_view fill, double size, Anchor anchor) {
  constexpr const char* anchors[] = {"start", "middle", "end"};
  out_ += fmt::format(
      "<text x=\"{:.4g}\" y=\"{:.4g}\" fill=\"{}\" font-size=\"{:g}\" text-anchor=\"{}\">{}</text>\n", x, y,
      fill, size, anchors[static_cast<int>(anchor)], html::escape(text));
}

void Svg::code(double x, double y, std::string_view text) {
  out_ += fmt::format(
      "<text x=\"{:.4g}\" y=\"{:.4g}\" fill=\"#1b1d22\" font-size=\"{:g}\" xml:space=\"preserve\" "
      "font-family=\"ui-monospace, Menlo, Consolas, monospace\">{}</text>\n",
      x, y, code_size, html::escape(text));
}

std::string Svg::finish() && { return std::move(out_) + "</svg>\n"; }

}  // namespace cuelbo::ladder
