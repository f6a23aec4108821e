#include "tools/lab/source/profile_source.hpp"

#include <algorithm>
#include <iterator>

#include "engine/error.hpp"
#include "tools/lab/call_memory.hpp"
#include "tools/lab/inputs.hpp"
#include "tools/lab/profile.hpp"
#include "tools/lab/source/module.hpp"

namespace cuelbo::lab {

namespace {

// Outputs stay as CallMemory begins them: not written.
void fill_inputs(const std::vector<SourceArgument>& arrays, CallMemory& memory, std::uint64_t seed) {
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Buffer& buffer = arrays[i].buffer;
    const std::vector<std::byte>& element = arrays[i].element;
    const std::span<std::byte> to = memory.host(i);
    if (!element.empty())
      for (std::size_t at = 0; at < to.size(); ++at) to[at] = element[at % element.size()];
    else if (buffer.role != Role::output)
      store(buffer, draw(buffer, Inputs::real, seed, i), to);
  }
}

}  // namespace

SourceProfile profile_source(const SourceLaunch& launch) {
  const SourceModule source(launch.file, launch.kernel, launch.arguments);
  const std::unique_ptr<Device> device = source.module().open(0, {});
  std::vector<SourceArgument> given;
  std::ranges::copy_if(launch.arguments, std::back_inserter(given), &SourceArgument::array);
  std::vector<Buffer> buffers;
  for (const SourceArgument& argument : given) buffers.push_back(argument.buffer);
  CallMemory memory(*device, buffers, 0);
  fill_inputs(given, memory, launch.seed);
  memory.upload();
  const auto addresses = memory.addresses();
  std::vector<void*> arrays;
  for (const Buffer& buffer : buffers) arrays.push_back(addresses.at(buffer.name));

  SourceProfile result;
  result.profile = in_context(launch.kernel, [&] {
    return profile(source.module(), *device, [&] {
      const char* const error = source.launch()({.grid = launch.grid,
                                                 .block = launch.block,
                                                 .shared_bytes = launch.shared_bytes,
                                                 .code_limit = launch.loop_limit,
                                                 .stream = device->stream().handle,
                                                 .arrays = arrays.data()});
      if (error != nullptr) fail("it cannot be launched: {}", error);
    });
  });
  memory.download();
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].role == Role::input) continue;
    const auto bytes = memory.host(i);
    result.outputs[buffers[i].name] = {buffers[i].type, buffers[i].dims, {bytes.begin(), bytes.end()}};
  }
  return result;
}

}  // namespace cuelbo::lab
