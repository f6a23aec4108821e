#include "engine/cuda/kernel_tables.hpp"

#include <map>
#include <mutex>

#include "kernels/variants.hpp"

namespace cuelbo::cuda {

const kernels::KernelTable& default_table() {
  static const kernels::KernelTable table = [] {
    kernels::KernelTable best;
    kernels::cuda::for_each_kernel([&](const char*, auto member, auto variants) {
      best.*member = variants[fp32_count(variants) - 1].kernel;
    });
    return best;
  }();
  return table;
}

std::vector<KernelVariant> list_variants() {
  std::vector<KernelVariant> list;
  kernels::cuda::for_each_kernel([&](const char* kernel, auto, auto variants) {
    for (const auto& v : variants)
      list.push_back({.kernel = kernel,
                      .name = v.name,
                      .description = v.description,
                      .precision = v.precision,
                      .library = v.library == nullptr ? "" : v.library,
                      .own_noise = v.own_noise,
                      .trained = &v == &variants[fp32_count(variants) - 1]});
  });
  return list;
}

const kernels::KernelTable* table_with(std::string_view kernel, std::string_view variant) {
  static std::mutex mutex;
  static std::map<std::string, kernels::KernelTable> tables;  // kernel/variant
  const std::scoped_lock lock(mutex);
  const kernels::KernelTable* found = nullptr;
  kernels::cuda::for_each_kernel([&](const char* name, auto member, auto variants) {
    if (kernel != name) return;
    for (const auto& v : variants) {
      if (variant != v.name) continue;
      auto& table = tables.try_emplace(std::string(kernel) + "/" + v.name, default_table()).first->second;
      table.*member = v.kernel;
      found = &table;
    }
  });
  return found;
}

}  // namespace cuelbo::cuda
