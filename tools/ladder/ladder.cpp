#include "tools/ladder/ladder.hpp"

#include <algorithm>

#include "tools/lab/launches.hpp"
#include "tools/lab/measure.hpp"
#include "tools/lab/profile.hpp"

namespace cuelbo::ladder {

double Rung::sector_efficiency() const {
  const simt::AccessProfile all = lab::totals(profile);
  return all.sectors == 0 ? 1 : static_cast<double>(all.ideal_sectors) / static_cast<double>(all.sectors);
}

double Rung::wavefronts_over_ideal() const {
  const simt::AccessProfile all = lab::totals(profile);
  return all.ideal_wavefronts == 0
             ? 0
             : static_cast<double>(all.wavefronts) / static_cast<double>(all.ideal_wavefronts);
}

std::vector<std::string> kernels_with_ladders(const DeviceModule& module) {
  std::vector<std::string> kernels;
  const std::vector<KernelVariant> variants = module.variants();
  for (std::size_t i = 0; i < variants.size(); ++i)
    if (i + 2 < variants.size() && variants[i].kernel == variants[i + 2].kernel &&
        (kernels.empty() || kernels.back() != variants[i].kernel))
      kernels.push_back(variants[i].kernel);
  return kernels;
}

Ladder measure_ladder(const std::string& kernel, const lab::Gpu& gpu, const DeviceModule& module,
                      Device& device) {
  const lab::Contract& contract = lab::find_contract(kernel);
  Ladder ladder{.kernel = kernel, .shape_text = contract.counted()};
  ladder.shape = contract.complete(lab::parse_shape(ladder.shape_text));
  ladder.cost = contract.cost(ladder.shape);
  for (const KernelVariant& variant : module.variants()) {
    if (variant.kernel != kernel) continue;
    if (!variant.library.empty()) {
      ladder.not_executed.push_back(variant);
      continue;
    }
    const std::vector<simt::Launch> launches = lab::launches_of(variant, ladder.shape, module, device);
    simt::Profile profile = lab::profile_variant(variant, ladder.shape, 1, module, device);
    lab::ModelReport model = lab::report_model(gpu, ladder.cost, variant.precision, profile, launches);
    ladder.rungs.push_back({.variant = variant,
                            .profile = std::move(profile),
                            .compiled = lab::report_compiled(launches, lab::find_cuda_code()),
                            .model = std::move(model)});
  }
  return ladder;
}

void measure_times(Ladder& ladder, const DeviceModule& module, Device& device) {
  const lab::Contract& contract = lab::find_contract(ladder.kernel);
  std::vector<KernelVariant> variants = module.variants();
  std::erase_if(variants, [&](const KernelVariant& v) { return v.kernel != ladder.kernel; });
  std::size_t workspace = 0;
  for (const KernelVariant& v : variants)
    workspace = std::max(workspace, contract.workspace(*module.table(v.kernel, v.name), ladder.shape));
  const lab::Workbench bench(device, contract, ladder.shape, workspace);
  for (const KernelVariant& v : variants)
    ladder.measured[v.name] = bench.measure(*module.table(v.kernel, v.name)).seconds;
  ladder.measured_on = device.description();
}

}  // namespace cuelbo::ladder
