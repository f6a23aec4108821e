// The launches of variants, without running them.
#include "tools/lab/launches.hpp"

#include <gmock/gmock.h>

#include "tests/support/error_checks.hpp"
#include "tools/lab/compiled/kernel_name.hpp"
#include "tools/lab/select.hpp"

extern "C" const cuelbo::DeviceModule* cuelbo_device_module();

namespace cuelbo::test {
namespace {

std::vector<simt::Launch> launches_of(const char* name, const char* shape) {
  const DeviceModule& module = *cuelbo_device_module();
  const auto device = module.open(0, {});
  const KernelVariant variant = lab::select_one(module.variants(), name);
  return lab::launches_of(variant, lab::find_contract(variant.kernel).complete(lab::parse_shape(shape)),
                          module, *device);
}

TEST(Launches, AreThoseOfAnyShapeAtOnce) {
  const auto launches = launches_of("add/float4", "count=67108864");
  ASSERT_EQ(launches.size(), 1U);
  EXPECT_THAT(lab::short_name(lab::kernel_name(lab::symbol_of(launches[0].kernel).symbol)),
              testing::StartsWith("for_each_element<4"));
  EXPECT_EQ(std::uint64_t{launches[0].grid[0]} * launches[0].block[0] * 4, 67108864U);
  EXPECT_EQ(launches[0].shared_bytes, 0U);
}

TEST(Launches, AreInOrderWithTheirSharedMemory) {
  const auto launches = launches_of("elbo_decomposition_forward", "rows=1024,dims=10");
  ASSERT_EQ(launches.size(), 2U);
  EXPECT_GT(launches[0].shared_bytes, 0U);
  EXPECT_EQ(lab::kernel_name(lab::symbol_of(launches[1].kernel).symbol).find("forward_slice"),
            std::string::npos);
}

TEST(Launches, NothingRunsAndTheStreamIsFreeAgain) {
  const DeviceModule& module = *cuelbo_device_module();
  const auto device = module.open(0, {});
  EXPECT_TRUE(fails_with<Error>([&] { module.launches_of(device->stream(), [] { fail("in the middle"); }); },
                                "in the middle"));
  EXPECT_TRUE(module.launches_of(device->stream(), [] {}).empty());
  device->synchronize();
}

TEST(Launches, OfALibraryAreNotKnown) {
  for (const KernelVariant& v : cuelbo_device_module()->variants()) {
    if (v.library.empty()) continue;
    const auto device = cuelbo_device_module()->open(0, {});
    EXPECT_TRUE(fails_with<Error>([&] { lab::launches_of(v, {}, *cuelbo_device_module(), *device); },
                                  "known on a GPU only"));
    return;
  }
  GTEST_SKIP() << "built without variants that call libraries";
}

}  // namespace
}  // namespace cuelbo::test
