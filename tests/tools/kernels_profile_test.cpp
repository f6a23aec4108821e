// `cuelbo kernels profile`: what each source line moves.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;

class KernelsProfile : public TinyTest {
 protected:
  void SetUp() override {
    if (run({"devices"}).out.find("simt-checked usable") == std::string::npos)
      GTEST_SKIP() << "built without the device simt-checked";
  }
};

TEST_F(KernelsProfile, CountsWhatLinesMove) {
  const Outcome outcome = run({"kernels", "profile", "add/float4", "--shape", "count=4096", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto profile = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(profile.at("variant"), "float4");
  EXPECT_EQ(profile.at("loaded_bytes"), 2 * 4096 * 4);
  EXPECT_EQ(profile.at("least_loaded_bytes"), 2 * 4096 * 4);
  EXPECT_EQ(profile.at("stored_bytes"), 4096 * 4);
  for (const auto& line : profile.at("lines")) {
    EXPECT_EQ(line.at("bytes"), 16);
    EXPECT_EQ(line.at("sectors"), line.at("ideal_sectors"));
    EXPECT_EQ(line.at("lanes").get<int>(), 32 * line.at("requests").get<int>());
    EXPECT_EQ(line.at("divergent"), 0);
  }
}

TEST_F(KernelsProfile, CountsRequestsWithoutSomeLanes) {
  const Outcome json = run({"kernels", "profile", "add/scalar", "--shape", "count=40", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const auto profile = nlohmann::json::parse(json.out);
  ASSERT_FALSE(profile.at("lines").empty());
  for (const auto& line : profile.at("lines")) {
    EXPECT_EQ(line.at("requests"), 2);
    EXPECT_EQ(line.at("divergent"), 1);
  }
  const Outcome table = run({"kernels", "profile", "add/scalar", "--shape", "count=40"});
  EXPECT_THAT(table.out, HasSubstr("requests divergent   lanes"));
  EXPECT_THAT(table.out, HasSubstr(" 2         1   20.00"));
}

TEST_F(KernelsProfile, SaysWhatIsWrong) {
  const Outcome device = run({"kernels", "profile", "add", "--device", "cpu"});
  EXPECT_EQ(device.code, 2);
  EXPECT_THAT(device.err, HasSubstr("only simt-checked profiles"));
  const Outcome kernel = run({"kernels", "profile", "ad"});
  EXPECT_EQ(kernel.code, 2);
  EXPECT_THAT(kernel.err, HasSubstr("did you mean 'add'"));
}

}  // namespace
}  // namespace cuelbo::test
