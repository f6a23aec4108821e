#pragma once

#include <string_view>

namespace cuelbo {

std::string_view version();  // "0.1.0+1a2b3c4": release and commit

}  // namespace cuelbo
