#include "tools/lab/select.hpp"

#include <algorithm>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo::lab {

std::vector<KernelVariant> select(const std::vector<KernelVariant>& all, std::string_view name) {
  if (name.empty()) return all;
  const std::string_view kernel = name.substr(0, name.find('/'));
  const bool one = kernel.size() < name.size();
  std::vector<KernelVariant> selected;
  std::vector<std::string> kernels, variants;
  for (const KernelVariant& v : all) {
    if (kernels.empty() || kernels.back() != v.kernel) kernels.push_back(v.kernel);
    if (v.kernel != kernel) continue;
    const std::string_view variant = one ? name.substr(kernel.size() + 1) : "";
    if (!one || variant == v.name || variant == std::to_string(variants.size()) ||
        (variant == "best" && v.trained))
      selected.push_back(v);
    variants.push_back(v.name);
  }
  if (variants.empty())
    usage_fail("there is no kernel '{}'{}; `cuelbo kernels list` shows them", kernel,
               did_you_mean(kernel, kernels));
  if (selected.empty())
    usage_fail("there is no variant '{}'; {} has {}", name, kernel, fmt::join(variants, ", "));
  return selected;
}

KernelVariant select_one(const std::vector<KernelVariant>& all, std::string_view name) {
  const std::vector<KernelVariant> variants = select(all, name);
  return *std::ranges::find_if(variants,
                               [&](const KernelVariant& v) { return variants.size() == 1 || v.trained; });
}

const char* name_of(kernels::Precision precision) {
  constexpr const char* names[] = {"fp32", "tf32", "bf16"};
  return names[static_cast<int>(precision)];
}

}  // namespace cuelbo::lab
