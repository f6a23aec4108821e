// The search path of device modules.
#include "engine/device_module.hpp"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

namespace cuelbo {
namespace {

namespace fs = std::filesystem;

// A process may load the engine as a library, from any folder.
TEST(DeviceModule, IsBesideTheLibraryOrProgramThatHoldsTheCode) {
  static const int mine = 0;
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  EXPECT_EQ(folder_of_code(&mine), program);
  EXPECT_EQ(device_module_folder(), program);
  const fs::path c_library = folder_of_code(reinterpret_cast<const void*>(&std::fopen));
  EXPECT_TRUE(fs::exists(c_library / "libc.so.6")) << c_library;
}

TEST(DeviceModule, TheEnvironmentNamesAnotherFolder) {
  setenv("CUELBO_MODULE_PATH", "/nowhere", 1);
  EXPECT_EQ(device_module_folder(), "/nowhere");
  unsetenv("CUELBO_MODULE_PATH");
}

}  // namespace
}  // namespace cuelbo
