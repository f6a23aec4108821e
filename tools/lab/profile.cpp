#include "tools/lab/profile.hpp"

#include "engine/error.hpp"
#include "tools/lab/call_inputs.hpp"

namespace cuelbo::lab {

simt::Profile profile(const DeviceModule& module, Device& device, const std::function<void()>& launches) {
  device.synchronize();
  if (module.start_profile == nullptr || !module.start_profile())
    usage_fail("--device {}: only simt-checked profiles", device.name());
  try {
    launches();
    device.synchronize();
  } catch (...) {
    module.take_profile();
    throw;
  }
  return module.take_profile();
}

simt::AccessProfile totals(const simt::Profile& profile) {
  simt::AccessProfile sum;
  for (const simt::AccessProfile& line : profile.lines) {
    sum.requests += line.requests;
    sum.lanes += line.lanes;
    sum.divergent += line.divergent;
    sum.sectors += line.sectors;
    sum.ideal_sectors += line.ideal_sectors;
    sum.cache_lines += line.cache_lines;
    sum.wavefronts += line.wavefronts;
    sum.ideal_wavefronts += line.ideal_wavefronts;
    sum.serialized += line.serialized;
  }
  return sum;
}

simt::Profile profile_variant(const KernelVariant& variant, const Shape& shape, std::uint64_t seed,
                              const DeviceModule& module, Device& device) {
  const std::string name = variant.kernel + "/" + variant.name;
  if (!variant.library.empty())
    fail("'{}' calls {}, which {} cannot execute", name, variant.library, device.name());
  const Contract& contract = find_contract(variant.kernel);
  const kernels::KernelTable& table = *module.table(variant.kernel, variant.name);
  CallMemory memory(device, contract.buffers(shape), contract.workspace(table, shape));
  draw_inputs(contract, shape, seed, std::vector<bool>(memory.buffers().size()), memory);
  memory.upload();
  return in_context(name, [&] {
    return profile(module, device, [&] {
      contract.launch(table, shape, memory.addresses(), memory.workspace(), device.stream());
    });
  });
}

}  // namespace cuelbo::lab
