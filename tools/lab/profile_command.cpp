// `cuelbo kernels profile`: what each source line of a variant moves.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/profile.hpp"
#include "tools/lab/profile_report.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct ProfileOptions {
  std::string kernel, shape;
  DeviceOptions device{.name = "simt-checked"};
  std::uint64_t seed = 1;
  bool json = false;
};

int run_profile(const ProfileOptions& options) {
  const std::unique_ptr<Device> device = open_device(options.device);
  if (device->name() == "cpu") usage_fail("--device cpu: only simt-checked profiles");
  const DeviceModule& module = load_device_module(device->name());
  const KernelVariant variant = lab::select_one(module.variants(), options.kernel);
  const std::string name = variant.kernel + "/" + variant.name;
  const lab::Shape shape = lab::find_contract(variant.kernel).complete(lab::parse_shape(options.shape));
  const simt::Profile profile = lab::profile_variant(variant, shape, options.seed, module, *device);
  if (options.json) {
    Json json{{"kernel", variant.kernel}, {"variant", variant.name}, {"shape", lab::to_json(shape)}};
    json.update(lab::to_json(profile));
    fmt::print("{}\n", json.dump(2));
    return exit_done;
  }
  fmt::print("{}, {}; per request of a warp, as the source says it\n", name, lab::to_string(shape));
  lab::print(profile);
  return exit_done;
}

}  // namespace

void add_kernels_profile(CLI::App& kernels, Run& run) {
  add_command<ProfileOptions>(
      kernels, run, "profile", "Count what each source line of a variant moves, without a GPU",
      [](CLI::App& command, ProfileOptions& options) {
        command.add_option("KERNEL", options.kernel, "KERNEL/VARIANT, or KERNEL for what programs use")
            ->required();
        command.add_option("--shape", options.shape,
                           "Sizes, as in rows=128,in=784; the usual ones if left out");
        command.add_option("--seed", options.seed, "Seed of the inputs")->capture_default_str();
        command.add_option("--device", options.device.name, "simt-checked")->capture_default_str();
        command.add_flag("--json", options.json, "Print JSON and nothing else");
      },
      run_profile);
}

}  // namespace cuelbo
