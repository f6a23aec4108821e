// `cuelbo kernels profile`: what each source line of a variant moves.
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/call_inputs.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;
using simt::AccessProfile;

struct ProfileOptions {
  std::string kernel, shape;
  DeviceOptions device{.name = "simt-checked"};
  std::uint64_t seed = 1;
  bool json = false;
};

const char* name_of(AccessProfile::Kind kind) {
  constexpr const char* names[] = {"load", "store", "atomic"};
  return names[static_cast<int>(kind)];
}

// Relative to the folder that the program is run in, if the file lies there.
std::string shown(const std::string& file) {
  const std::string here = std::filesystem::current_path().string() + '/';
  return file.starts_with(here) ? file.substr(here.size()) : file;
}

double each(std::int64_t total, std::int64_t requests) {
  return static_cast<double>(total) / static_cast<double>(requests);
}

simt::Profile profile_call(const std::string& name, const KernelVariant& variant, const lab::Shape& shape,
                           std::uint64_t seed, Device& device, const DeviceModule& module) {
  const lab::Contract& contract = lab::find_contract(variant.kernel);
  const kernels::KernelTable& table = *module.table(variant.kernel, variant.name);
  lab::CallMemory memory(device, contract.buffers(shape), contract.workspace(table, shape));
  lab::draw_inputs(contract, shape, seed, std::vector<bool>(memory.buffers().size()), memory);
  memory.upload();
  device.synchronize();
  if (!module.start_profile()) usage_fail("--device {}: only simt-checked profiles", device.name());
  return in_context(name, [&] {
    try {
      contract.launch(table, shape, memory.addresses(), memory.workspace(), device.stream());
      device.synchronize();
    } catch (...) {
      module.take_profile();
      throw;
    }
    return module.take_profile();
  });
}

Json to_json(const simt::Profile& profile) {
  Json lines = Json::array();
  for (const AccessProfile& p : profile.lines) {
    Json line{{"file", shown(p.file)},     {"line", p.line},
              {"access", name_of(p.kind)}, {"memory", p.shared ? "shared" : "global"},
              {"bytes", p.bytes},          {"requests", p.requests},
              {"lanes", p.lanes}};
    if (p.shared) {
      line["wavefronts"] = p.wavefronts;
      line["ideal_wavefronts"] = p.ideal_wavefronts;
    } else {
      line["sectors"] = p.sectors;
      line["ideal_sectors"] = p.ideal_sectors;
      line["cache_lines"] = p.cache_lines;
    }
    if (p.kind == AccessProfile::Kind::atomic) line["serialized"] = p.serialized;
    lines.push_back(std::move(line));
  }
  return {{"lines", lines},
          {"loaded_bytes", profile.loaded},
          {"least_loaded_bytes", profile.must_load},
          {"stored_bytes", profile.stored},
          {"least_stored_bytes", profile.must_store}};
}

void print(const simt::Profile& profile) {
  fmt::print("{:>6}  {:<6} {:<6} {:>5} {:>10} {:>7} {:>21} {:>21}\n", "line", "access", "memory", "bytes",
             "requests", "lanes", "sectors, at least", "wavefronts, at least");
  std::string file;
  for (const AccessProfile& p : profile.lines) {
    if (p.file != file) fmt::print("{}\n", shown(p.file));
    file = p.file;
    const std::string what =
        fmt::format("{:.2f} {:>10.2f}", each(p.shared ? p.wavefronts : p.sectors, p.requests),
                    each(p.shared ? p.ideal_wavefronts : p.ideal_sectors, p.requests));
    fmt::print("{:>6}  {:<6} {:<6} {:>5} {:>10} {:>7.2f} {:>21} {:>21}", p.line, name_of(p.kind),
               p.shared ? "shared" : "global", p.bytes, p.requests, each(p.lanes, p.requests),
               p.shared ? "" : what, p.shared ? what : "");
    if (p.kind == AccessProfile::Kind::atomic)
      fmt::print("  {:.2f} lanes at one address", each(p.serialized, p.requests));
    fmt::print("\n");
  }
  fmt::print("global memory: {} bytes loaded, at least {}; {} stored, at least {}\n", profile.loaded,
             profile.must_load, profile.stored, profile.must_store);
}

int run_profile(const ProfileOptions& options) {
  const std::unique_ptr<Device> device = open_device(options.device);
  if (device->name() != "simt-checked")
    usage_fail("--device {}: only simt-checked profiles", options.device.name);
  const DeviceModule& module = load_device_module(device->name());
  const KernelVariant variant = lab::select_one(module.variants(), options.kernel);
  const std::string name = variant.kernel + "/" + variant.name;
  if (!variant.library.empty())
    fail("'{}' calls {}, which {} cannot execute", name, variant.library, device->name());
  const lab::Shape shape = lab::find_contract(variant.kernel).complete(lab::parse_shape(options.shape));
  const simt::Profile profile = profile_call(name, variant, shape, options.seed, *device, module);
  if (options.json) {
    Json json{{"kernel", variant.kernel}, {"variant", variant.name}, {"shape", lab::to_json(shape)}};
    json.update(to_json(profile));
    fmt::print("{}\n", json.dump(2));
    return exit_done;
  }
  fmt::print("{}, {}; per request of a warp, as the source says it\n", name, lab::to_string(shape));
  print(profile);
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
