// `cuelbo kernels profile`: what each source line of a variant moves.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/compiled/report.hpp"
#include "tools/lab/launches.hpp"
#include "tools/lab/model/report.hpp"
#include "tools/lab/profile.hpp"
#include "tools/lab/profile_report.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct ProfileOptions {
  std::string kernel, shape, gpu = "h100";
  std::string code;  // file
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
  const lab::Gpu& gpu = lab::find_gpu(options.gpu);
  const simt::Profile profile = lab::profile_variant(variant, shape, options.seed, module, *device);
  const auto launches = lab::launches_of(variant, shape, module, *device);
  const lab::CompilerReport compiled = lab::report_compiled(
      launches, options.code.empty() ? lab::find_cuda_code() : std::filesystem::path(options.code),
      "the device cuda was not built: cmake --preset cuda && cmake --build --preset cuda, or --code FILE");
  const lab::ModelReport model = lab::report_model(gpu, lab::find_contract(variant.kernel).cost(shape),
                                                   variant.precision, profile, launches);
  if (options.json) {
    Json json{{"kernel", variant.kernel}, {"variant", variant.name}, {"shape", lab::to_json(shape)}};
    json.update(lab::to_json(profile));
    json.update(lab::to_json(compiled));
    json["model"] = lab::to_json(model);
    fmt::print("{}\n", json.dump(2));
    return exit_done;
  }
  fmt::print("{}, {}; per request of a warp, as the source says it\n", name, lab::to_string(shape));
  lab::print(profile);
  fmt::print("\n");
  lab::print(compiled, gpu);
  fmt::print("\n");
  lab::print(model);
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
        command.add_option("--gpu", options.gpu, "Whose bounds: h100, a100, rtx4090 or rtx5090")
            ->capture_default_str();
        command.add_option(
            "--code", options.code,
            "File with the GPU code: library, object, fatbin or cubin; the device cuda if left out");
        command.add_option("--seed", options.seed, "Seed of the inputs")->capture_default_str();
        command.add_option("--device", options.device.name, "simt-checked")->capture_default_str();
        command.add_flag("--json", options.json, "Print JSON and nothing else");
      },
      run_profile);
}

}  // namespace cuelbo
