// `cuelbo kernels list`.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/contract.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct ListOptions {
  std::string kernel, shape;
};

// All modules hold the same variants; one that is usable needs no GPU or none that is missing.
const DeviceModule& usable_module() {
  for (const DeviceReport& device : list_devices())
    if (device.usable && device.name != "cpu") return load_device_module(device.name);
  return load_device_module("simt");  // says what is missing
}

Json to_json(const KernelVariant& v) {
  return {{"name", v.name},
          {"description", v.description},
          {"precision", lab::name_of(v.precision)},
          {"library", v.library.empty() ? Json() : Json(v.library)},
          {"used_by_programs", v.trained}};
}

Json to_json(const lab::Buffer& b) {
  return {{"name", b.name}, {"role", lab::name_of(b.role)}, {"dtype", dtype_name(b.type)}, {"shape", b.dims}};
}

void print_kernels_json(const std::vector<KernelVariant>& variants, const lab::Shape& shape) {
  Json kernels = Json::array();
  for (const KernelVariant& v : variants) {
    if (kernels.empty() || kernels.back()["kernel"] != v.kernel) {
      const lab::Contract& contract = lab::find_contract(v.kernel);
      Json buffers = Json::array();
      for (const lab::Buffer& b : contract.buffers(shape)) buffers.push_back(to_json(b));
      kernels.push_back({{"kernel", v.kernel},
                         {"variants", Json::array()},
                         {"sizes", lab::to_json(contract.complete(shape))},
                         {"buffers", buffers}});
    }
    kernels.back()["variants"].push_back(to_json(v));
  }
  cuelbo::print_json(kernels);
}

void print_variants(const std::vector<KernelVariant>& variants) {
  std::size_t width = 0;
  for (const KernelVariant& v : variants) width = std::max(width, v.name.size());
  std::string kernel;
  for (const KernelVariant& v : variants) {
    if (v.kernel != kernel) fmt::print("{}\n", v.kernel);
    kernel = v.kernel;
    fmt::print("{} {:<{}}  {}\n", v.trained ? '*' : ' ', v.name, width, v.description);
  }
}

// The sizes and buffers that `run` takes.
void print_contract(const lab::Contract& contract, const lab::Shape& shape) {
  fmt::print("sizes, as --shape takes them\n  {}\nbuffers of that shape\n",
             lab::to_string(contract.complete(shape)));
  std::size_t width = 0;
  const std::vector<lab::Buffer> buffers = contract.buffers(shape);
  for (const lab::Buffer& b : buffers) width = std::max(width, b.name.size());
  for (const lab::Buffer& b : buffers)
    fmt::print("  {:<{}}  {:<7}  {} {}\n", b.name, width, lab::name_of(b.role), dtype_name(b.type),
               shape_text(b.dims));
}

int run_list(const ListOptions& options) {
  if (options.kernel.find('/') != std::string::npos)
    usage_fail("kernels list: '{}' is a variant; name the kernel alone", options.kernel);
  if (options.kernel.empty() && !options.shape.empty()) usage_fail("kernels list: --shape needs a kernel");
  const DeviceModule& module = usable_module();
  const std::vector<KernelVariant> variants = lab::select(module.variants(), options.kernel);
  if (module.left_out != nullptr) note("{}", module.left_out);
  lab::Shape shape = lab::parse_shape(options.shape);
  if (!options.kernel.empty()) shape = lab::find_contract(options.kernel).complete(shape);
  if (json_wanted()) {
    print_kernels_json(variants, shape);
    return exit_done;
  }
  print_variants(variants);
  if (options.kernel.empty()) {
    fmt::print("* what programs use; `cuelbo kernels list KERNEL` shows sizes and buffers\n");
  }
  if (!options.kernel.empty()) print_contract(lab::find_contract(options.kernel), shape);
  return exit_done;
}

}  // namespace

void add_kernels_list(CLI::App& kernels, Run& run) {
  add_command<ListOptions>(
      kernels, run, "list", "Every kernel with its variants, from the obvious one to the best",
      [](CLI::App& command, ListOptions& options) {
        command.add_option("KERNEL", options.kernel, "Only this one, with its sizes and buffers");
        command.add_option("--shape", options.shape, "Show the buffers of this shape, as in rows=128,in=784");
      },
      run_list);
}

}  // namespace cuelbo
