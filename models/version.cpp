#include "models/version.hpp"

namespace cuelbo {

std::string_view version() { return CUELBO_VERSION; }

}  // namespace cuelbo
