// Drawing in SVG, for pictures that stand on their own file: light, whatever the page is.
#pragma once

#include <string>
#include <string_view>

namespace cuelbo::ladder {

class Svg {
 public:
  Svg(double width, double height);

  void rectangle(double x, double y, double width, double height, std::string_view fill);
  void line(double x1, double y1, double x2, double y2, std::string_view stroke, double width = 1,
            bool dashed = false);
  void circle(double x, double y, double radius, std::string_view fill);
  enum class Anchor { start, middle, end };
  void text(double x, double y, std::string_view text, std::string_view fill, double size = 12,
            Anchor anchor = Anchor::start);
  void code(double x, double y, std::string_view text);  // in a font of equal widths, spaces kept

  std::string finish() &&;

 private:
  std::string out_;
};

inline constexpr double code_width = 6.6, code_size = 11;  // of a character

}  // namespace cuelbo::ladder
