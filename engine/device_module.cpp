#include "engine/device_module.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "engine/error.hpp"

namespace cuelbo {

namespace {

// The loader says "libcudnn.so.9: cannot open shared object file: …" of a library that is not there.
[[noreturn]] void fail_to_load(const std::string& name, const std::string& why) {
  const std::size_t end = why.find(": cannot open shared object file");
  if (end == std::string::npos) fail("the device '{}' cannot be loaded: {}", name, why);
  fail(
      "the device '{}' cannot be loaded: NVIDIA's library '{}' is not found; `bash tools/setup.sh --cuda` "
      "installs it, or LD_LIBRARY_PATH names its folder",
      name, why.substr(0, end));
}

const DeviceModule& find_and_load(const std::string& name) {
  std::string library_name = "libcuelbo_" + name + ".so";
  std::ranges::replace(library_name, '-', '_');
  const std::filesystem::path file = device_module_folder() / library_name;
  if (!std::filesystem::exists(file))
    fail("the device '{}' was not built: '{}' is missing; {}", name, file.string(),
         name == "cuda" ? "it needs nvcc: cmake --preset cuda && cmake --build --preset cuda"
                        : "cmake --preset release && cmake --build --preset release builds it");
  return load_device_module(file, name);
}

}  // namespace

std::filesystem::path device_module_folder() {
  if (const char* folder = std::getenv("CUELBO_MODULE_PATH")) return folder;
  static const int here = 0;
  return folder_of_code(&here);
}

std::filesystem::path folder_of_code(const void* address) {
  Dl_info info = {};
  void* entry = nullptr;
  const bool found = dladdr1(address, &info, &entry, RTLD_DL_LINKMAP) != 0 && entry != nullptr;
  // The program itself has no name here, and argv[0] may be any.
  const std::string_view name = found ? static_cast<const link_map*>(entry)->l_name : "";
  std::error_code error;
  return std::filesystem::canonical(name.empty() ? "/proc/self/exe" : name, error).parent_path();
}

const DeviceModule& load_device_module(const std::filesystem::path& file, const std::string& name) {
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) fail_to_load(name, dlerror());
  const auto function = reinterpret_cast<DeviceModuleFunction>(dlsym(library, device_module_symbol));
  if (function == nullptr || function()->interface_version != device_module_interface)
    fail("'{}' belongs to another version of cuelbo; build it again", file.string());
  return *function();
}

const DeviceModule& load_device_module(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, const DeviceModule*, std::less<>> loaded;
  const std::scoped_lock lock(mutex);
  const auto found = loaded.find(name);
  if (found != loaded.end()) return *found->second;
  const std::string key(name);
  return *loaded.emplace(key, &find_and_load(key)).first->second;
}

}  // namespace cuelbo
