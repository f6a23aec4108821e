// Launches and what nvcc made of them find each other.
#include "tools/lab/compiled/report.hpp"

#include <set>

#include <gmock/gmock.h>

#include "engine/error.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tools/lab/launches.hpp"

extern "C" const cuelbo::DeviceModule* cuelbo_device_module();

namespace cuelbo::test {
namespace {

TEST(CompilerReport, EveryVariantsKernelsAreInTheModuleCuda) {
  // One that an earlier build left elsewhere may have other kernels.
  const std::filesystem::path code = device_module_folder() / "libcuelbo_cuda.so";
  if (!std::filesystem::exists(code)) GTEST_SKIP() << "the device cuda was not built";
  if (lab::find_cuda_program("cuobjdump").empty()) GTEST_SKIP() << "cuobjdump is not here";
  const DeviceModule& module = *cuelbo_device_module();
  const auto device = module.open(0, {});
  for (const KernelVariant& v : module.variants()) {
    if (!v.library.empty()) continue;
    const auto launches = lab::launches_of(v, lab::find_contract(v.kernel).complete({}), module, *device);
    const lab::CompilerReport report = lab::report_resources(launches, code);
    EXPECT_EQ(report.note, "") << v.kernel << "/" << v.name;
    for (const lab::LaunchReport& launch : report.launches) {
      std::set<int> architectures;
      for (const lab::CompiledKernel& kernel : launch.compiled) {
        EXPECT_TRUE(architectures.insert(kernel.architecture).second) << launch.name << " is there twice";
        EXPECT_EQ(kernel.local, 0U) << launch.name;
      }
    }
  }
}

TEST(CompilerReport, EqualLaunchesAreOneRowAndWhatIsMissingIsSaid) {
  const simt::Launch launch{.kernel = reinterpret_cast<const void*>(&cuelbo_device_module)},
      other{.kernel = launch.kernel, .grid = {2, 1, 1}};
  const simt::Launch launches[] = {launch, launch, other, launch};
  lab::CompilerReport report = lab::report_compiled(launches, {}, "nothing was built");
  ASSERT_EQ(report.launches.size(), 3U);
  EXPECT_EQ(report.launches[0].times, 2);
  EXPECT_EQ(report.launches[0].name, "cuelbo_device_module");
  EXPECT_EQ(report.note, "nothing was built");
  EXPECT_EQ(lab::to_json(report).at("compiler_note"), "nothing was built");

  const TemporaryDirectory folder;
  report = lab::report_compiled(launches, folder / "absent.cubin");
  if (lab::find_cuda_program("cuobjdump").empty())
    EXPECT_THAT(report.note, testing::HasSubstr("cuobjdump, which reads GPU code, was not found"));
  else
    EXPECT_THAT(report.note, testing::HasSubstr("absent.cubin' is no file"));
  EXPECT_EQ(report.launches.size(), 3U);
}

}  // namespace
}  // namespace cuelbo::test
