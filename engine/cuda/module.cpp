// The functions that a device module exports.
#include "engine/cuda/cuda_device.hpp"
#include "engine/cuda/kernel_tables.hpp"

#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/runtime.hpp"
namespace {
void set_order(int order, std::uint64_t seed) {
  cuelbo::simt::set_order(static_cast<cuelbo::simt::ThreadOrder>(order), seed);
}
bool start_profile() {
  if (cuelbo::simt::observer == nullptr) return false;
  cuelbo::simt::observer->start_profile();
  return true;
}
cuelbo::simt::Profile take_profile() { return cuelbo::simt::observer->take_profile(); }
std::vector<cuelbo::simt::Launch> launches_of(cuelbo::kernels::Stream stream,
                                              const std::function<void()>& call) {
  return cuelbo::simt::launches_of(static_cast<cudaStream_t>(stream.handle), call);
}
}  // namespace
#else
namespace {
constexpr void (*set_order)(int, std::uint64_t) = nullptr;
constexpr bool (*start_profile)() = nullptr;
constexpr cuelbo::simt::Profile (*take_profile)() = nullptr;
constexpr std::vector<cuelbo::simt::Launch> (*launches_of)(cuelbo::kernels::Stream,
                                                           const std::function<void()>&) = nullptr;
}  // namespace
#endif

namespace {
#if defined(CUELBO_HAVE_CUDA_LIBRARIES)
constexpr const char* left_out = nullptr;
#else
constexpr const char* left_out =
    "variants that call cuBLAS, cuDNN, cuRAND, CUB or Thrust were not built: their headers were not found "
    "(bash tools/setup.sh --cuda installs them)";
#endif
}  // namespace

extern "C" [[gnu::visibility("default")]] const cuelbo::DeviceModule* cuelbo_device_module() {
  static constexpr cuelbo::DeviceModule module{.interface_version = cuelbo::device_module_interface,
                                               .open = &cuelbo::cuda::open_device,
                                               .report = &cuelbo::cuda::report_device,
                                               .variants = &cuelbo::cuda::list_variants,
                                               .set_order = set_order,
                                               .start_profile = start_profile,
                                               .take_profile = take_profile,
                                               .launches_of = launches_of,
                                               .table = &cuelbo::cuda::table_with,
                                               .left_out = left_out};
  return &module;
}
