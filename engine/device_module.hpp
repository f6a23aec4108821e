// Devices that are loaded on demand. The CUDA runtime and its stand-in that runs on the CPU define the same
// functions, so each lives in a shared library of its own, which shows one symbol: device_module_symbol.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device.hpp"
#include "kernels/runtime/simt/launch.hpp"
#include "kernels/runtime/simt/profile.hpp"
#include "kernels/variants.hpp"

namespace cuelbo {

struct KernelVariant {
  std::string kernel, name, description;
  kernels::Precision precision = kernels::Precision::fp32;
  std::string library;     // whose kernel it calls; empty: our own
  bool own_noise = false;  // draws other noise than the contract says
  bool trained = false;    // programs use it
};

struct DeviceModule {
  std::uint64_t interface_version;
  std::unique_ptr<Device> (*open)(int index, const DeviceOptions& options);  // throws Error
  DeviceReport (*report)();
  std::vector<KernelVariant> (*variants)();  // in the order of each kernel's ladder
  // Order in which threads, blocks and streams take turns: 0 forward, 1 reverse, 2 random by the seed. Null: the device
  // decides itself.
  void (*set_order)(int order, std::uint64_t seed);
  // Counts what kernels access from the one call to the other (kernels/runtime/simt/profile.hpp); false: only simt-checked can.
  // Null: the device cannot.
  bool (*start_profile)();
  simt::Profile (*take_profile)();
  // The launches that `call` puts into the stream, none of which runs. Null: the device cannot tell.
  std::vector<simt::Launch> (*launches_of)(kernels::Stream stream, const std::function<void()>& call);
  // The device's table with one variant in place of the kernel's default. Null: there is no such variant.
  const kernels::KernelTable* (*table)(std::string_view kernel, std::string_view variant);
  const char* left_out;  // variants that were not built, and why, in one line; null: none
};

// Increased when DeviceModule, Device, DeviceOptions or the meaning of a contract's arguments changes; the names and sizes of
// the contracts are part of the version.
inline constexpr std::uint64_t device_module_interface = kernels::contracts_version(8);
inline constexpr const char* device_module_symbol = "cuelbo_device_module";
using DeviceModuleFunction = const DeviceModule* (*)();

// The module "cuda", "simt" or "simt-checked", from libcuelbo_<name>.so (with _ for -) in device_module_folder(). It stays
// loaded. Throws Error that says what is missing.
const DeviceModule& load_device_module(std::string_view name);

// The module in this file, which messages call `name`.
const DeviceModule& load_device_module(const std::filesystem::path& file, const std::string& name);

// The folder of the modules: CUELBO_MODULE_PATH, else the folder of the program or library that this code is linked
// into, which need not be the program of the process.
std::filesystem::path device_module_folder();

// The folder of the program or library that an address of code or static data belongs to.
std::filesystem::path folder_of_code(const void* address);

}  // namespace cuelbo
