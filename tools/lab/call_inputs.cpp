#include "tools/lab/call_inputs.hpp"

#include "tools/lab/inputs.hpp"

namespace cuelbo::lab {

void draw_inputs(const Contract& contract, const Shape& shape, std::uint64_t seed,
                 const std::vector<bool>& given, CallMemory& memory) {
  const std::span<const Buffer> buffers = memory.buffers();
  Doubles values;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].role == Role::output) continue;
    values[buffers[i].name] =
        given[i] ? load(buffers[i], memory.host(i)) : draw(buffers[i], Inputs::real, seed, i);
    if (given[i]) values.give(buffers[i].name);
  }
  contract.prepare(shape, values);
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].role != Role::output && !given[i])
      store(buffers[i], values[buffers[i].name], memory.host(i));
}

}  // namespace cuelbo::lab
