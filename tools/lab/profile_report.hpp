// A transaction profile as people and programs read it.
#pragma once

#include <nlohmann/json.hpp>

#include "kernels/runtime/simt/profile.hpp"

namespace cuelbo::lab {

nlohmann::ordered_json to_json(const simt::Profile& profile);
void print(
    const simt::Profile& profile);  // a row for each source line and kind of access, per request of a warp

}  // namespace cuelbo::lab
