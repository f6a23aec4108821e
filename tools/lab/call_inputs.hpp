// Draws the inputs of a call.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/lab/call_memory.hpp"

namespace cuelbo::lab {

// Fills the inputs of `memory` that are not `given` (one entry a buffer). Some have to fit others, also given ones.
void draw_inputs(const Contract& contract, const Shape& shape, std::uint64_t seed,
                 const std::vector<bool>& given, CallMemory& memory);

}  // namespace cuelbo::lab
