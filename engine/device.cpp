#include "engine/device.hpp"

#include <charconv>
#include <optional>

#include "engine/cpu_device.hpp"
#include "engine/device_module.hpp"
#include "engine/error.hpp"

namespace cuelbo {

namespace {

// The number of "cuda" or "cuda:n".
std::optional<int> gpu_index(std::string_view name) {
  if (name == "cuda") return 0;
  if (!name.starts_with("cuda:")) return {};
  name.remove_prefix(5);
  int index = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size() || index < 0) return {};
  return index;
}

DeviceReport report_module(std::string_view name) {
  try {
    return load_device_module(name).report();
  } catch (const Error& error) {
    return {.name = std::string(name), .usable = false, .detail = error.what()};
  }
}

}  // namespace

std::unique_ptr<Device> open_device(const DeviceOptions& options) {
  const kernels::Precision precision = options.precision.value_or(kernels::Precision::fp32);
  if (options.name == "cpu" || (options.name == "auto" && !report_module("cuda").usable))
    return open_cpu_device(options.threads, precision);
  if (precision != kernels::Precision::fp32)
    usage_fail("{} computes in fp32; precision bf16 is for the device cpu",
               options.name == "auto" ? "cuda, which auto stands for here," : options.name);
  if (options.name == "auto") return load_device_module("cuda").open(0, options);
  if (options.name == "simt" || options.name == "simt-checked")
    return load_device_module(options.name).open(0, options);
  if (const auto index = gpu_index(options.name)) return load_device_module("cuda").open(*index, options);
  usage_fail("there is no device '{}': use auto, cpu, cuda, cuda:N, simt or simt-checked", options.name);
}

std::vector<DeviceReport> list_devices() {
  return {report_cpu_device(), report_module("cuda"), report_module("simt"), report_module("simt-checked")};
}

}  // namespace cuelbo
