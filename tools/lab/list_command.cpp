// `cuelbo kernels list`.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"

namespace cuelbo {

namespace {

struct ListOptions {
  bool json = false;
};

// Both modules hold the same variants; the one for the CPU needs no GPU to be loaded.
const DeviceModule& module() {
  for (const DeviceReport& device : list_devices())
    if (device.usable && device.name != "cpu") return load_device_module(device.name);
  return load_device_module("simt");  // says what is missing
}

const char* name_of(kernels::Precision precision) {
  constexpr const char* names[] = {"fp32", "tf32", "bf16"};
  return names[static_cast<int>(precision)];
}

int run_list(const ListOptions& options) {
  const DeviceModule& device = module();
  const std::vector<KernelVariant> variants = device.variants();
  if (device.left_out != nullptr) fmt::print(stderr, "{}\n", device.left_out);
  if (options.json) {
    nlohmann::ordered_json kernels = nlohmann::ordered_json::array();
    for (const KernelVariant& v : variants) {
      if (kernels.empty() || kernels.back()["kernel"] != v.kernel)
        kernels.push_back({{"kernel", v.kernel}, {"variants", nlohmann::ordered_json::array()}});
      kernels.back()["variants"].push_back(
          {{"name", v.name},
           {"description", v.description},
           {"precision", name_of(v.precision)},
           {"library", v.library.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(v.library)},
           {"used_by_programs", v.trained}});
    }
    fmt::print("{}\n", kernels.dump(2));
    return exit_done;
  }
  std::string kernel;
  for (const KernelVariant& v : variants) {
    if (v.kernel != kernel) fmt::print("{}\n", v.kernel);
    kernel = v.kernel;
    fmt::print("{} {:<20} {}\n", v.trained ? '*' : ' ', v.name, v.description);
  }
  fmt::print("* what programs use\n");
  return exit_done;
}

}  // namespace

void add_kernels_list(CLI::App& kernels, Run& run) {
  add_command<ListOptions>(
      kernels, run, "list", "Every kernel with its variants, from the obvious one to the best",
      [](CLI::App& command, ListOptions& options) { command.add_flag("--json", options.json, "Print JSON"); },
      run_list);
}

}  // namespace cuelbo
