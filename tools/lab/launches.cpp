#include "tools/lab/launches.hpp"

#include "engine/error.hpp"

namespace cuelbo::lab {

std::vector<simt::Launch> launches_of(const KernelVariant& variant, const Shape& shape,
                                      const DeviceModule& module, const Device& device) {
  const std::string name = variant.kernel + "/" + variant.name;
  if (!variant.library.empty())
    fail("'{}' calls {}; what that launches is known on a GPU only", name, variant.library);
  if (module.launches_of == nullptr) usage_fail("--device {}: only simt tells launches", device.name());
  const Contract& contract = find_contract(variant.kernel);
  const kernels::KernelTable& table = *module.table(variant.kernel, variant.name);
  // Addresses of which only the alignment matters, that of cudaMalloc.
  std::uintptr_t next = std::uintptr_t{1} << 40;
  const auto reserve = [&](std::size_t bytes) {
    const std::uintptr_t begin = next;
    next += (bytes + 511) / 256 * 256;
    return reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr): never read through
  };
  std::map<std::string, void*> addresses;
  for (const Buffer& buffer : contract.buffers(shape)) addresses[buffer.name] = reserve(buffer.bytes());
  void* const workspace = reserve(contract.workspace(table, shape));
  return in_context(name, [&] {
    return module.launches_of(device.stream(),
                              [&] { contract.launch(table, shape, addresses, workspace, device.stream()); });
  });
}

}  // namespace cuelbo::lab
