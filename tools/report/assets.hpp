// The style sheet and the script that a report carries inside.
#pragma once

#include <string_view>

namespace cuelbo {

extern const std::string_view report_style;

// Pointing at a chart shows the values of all charts at that step. The page is whole without it.
extern const std::string_view report_script;

}  // namespace cuelbo
