// Launches and what nvcc made of them find each other.
#include "tools/lab/compiled/report.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "engine/error.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tools/lab/launches.hpp"
#include "tools/lab/measure.hpp"

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

// The instructions that set these variants apart are in the code for each architecture.
TEST(CompilerReport, TensorCoresAndWideAccessesAreInTheCode) {
  const std::filesystem::path code = device_module_folder() / "libcuelbo_cuda.so";
  if (!std::filesystem::exists(code)) GTEST_SKIP() << "the device cuda was not built";
  if (lab::find_cuda_program("cuobjdump").empty()) GTEST_SKIP() << "cuobjdump is not here";
  const DeviceModule& module = *cuelbo_device_module();
  const auto device = module.open(0, {});
  struct Expected {
    const char *kernel, *variant;
    std::vector<const char*> there, not_there;
  };
  const std::vector<Expected> table{
      {"linear_forward", "naive", {"FFMA", "LDG.32"}, {"HMMA", "LDS.32", "LDGSTS.128"}},
      {"linear_forward", "tiled", {"FFMA", "LDS.32", "BAR"}, {"HMMA", "LDGSTS.128"}},
      {"linear_forward", "register_tiled", {"FFMA", "LDG.128", "LDS.128", "STS.32"}, {"HMMA"}},
      {"linear_forward", "tensor_tf32", {"HMMA", "LDGSTS.128"}, {}},
      {"linear_forward", "tensor_bf16", {"HMMA", "LDGSTS.128", "LDSM"}, {}},
      {"conv2d_forward", "tensor_bf16", {"HMMA", "LDGSTS.128", "LDSM"}, {}},
      {"conv2d_backward_data", "tensor_bf16", {"HMMA", "LDGSTS.128", "LDSM"}, {}},
      {"conv2d_backward_weight", "tensor_bf16", {"HMMA", "LDGSTS.128", "LDSM"}, {}},
      {"reparameterize_forward", "scalar", {"LDG.32", "STG.32"}, {"LDG.128"}},
      {"reparameterize_forward", "philox4", {"LDG.128", "STG.128"}, {}},
      {"elbo_decomposition_forward", "tiled", {"MUFU", "LDS.128"}, {"HMMA"}},
      {"elbo_decomposition_forward", "mma", {"MUFU", "HMMA"}, {}},
  };
  for (const Expected& expected : table) {
    const auto variants = module.variants();
    const auto v = std::ranges::find_if(variants, [&](const KernelVariant& one) {
      return one.kernel == expected.kernel && one.name == expected.variant;
    });
    ASSERT_NE(v, variants.end()) << expected.kernel << "/" << expected.variant;
    const lab::Contract& contract = lab::find_contract(v->kernel);
    const auto launches =
        lab::launches_of(*v, contract.complete(lab::parse_shape(contract.counted())), module, *device);
    std::map<int, std::map<std::string, int>> counts;  // of all launches, by architecture
    for (const lab::LaunchReport& launch : lab::report_compiled(launches, code).launches)
      for (const lab::CompiledKernel& kernel : launch.compiled) {
        ASSERT_TRUE(kernel.instructions);
        for (const auto& [name, count] : kernel.instructions->counts)
          counts[kernel.architecture][name] += count;
      }
    EXPECT_EQ(counts.size(), 3U);
    for (const auto& [architecture, of] : counts) {
      SCOPED_TRACE(std::string(expected.kernel) + "/" + expected.variant + " on sm_" +
                   std::to_string(architecture));
      std::string all;
      for (const auto& [name, count] : of) all += " " + name;
      for (const char* const name : expected.there)
        EXPECT_TRUE(of.contains(name)) << name << " is not among" << all;
      for (const char* const name : expected.not_there) EXPECT_FALSE(of.contains(name)) << name;
      EXPECT_FALSE(of.contains("LDL") || of.contains("STL")) << "local memory";
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
    EXPECT_THAT(report.note, testing::HasSubstr("absent.cubin' is not a file"));
  EXPECT_EQ(report.launches.size(), 3U);
}

}  // namespace
}  // namespace cuelbo::test
