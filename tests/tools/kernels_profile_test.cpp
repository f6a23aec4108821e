// `cuelbo kernels profile`: what each source line moves.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/paths.hpp"
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

TEST_F(KernelsProfile, ComparesWithWhatTheVariantDeclares) {
  const Outcome outcome =
      run({"kernels", "profile", "linear_forward/tiled", "--shape", "rows=64,in=64,out=64", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto profile = nlohmann::json::parse(outcome.out);
  const double counted = profile.at("loaded_bytes").get<double>() + profile.at("stored_bytes").get<double>();
  EXPECT_NEAR(profile.at("declared_bytes").get<double>() / counted, 1, 0.05);
}

TEST_F(KernelsProfile, KnowsLaunchesAndBounds) {
  const Outcome outcome =
      run({"kernels", "profile", "add/float4", "--shape", "count=4096", "--gpu", "a100", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto profile = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(profile.at("launches").size(), 1U);
  const auto& launch = profile.at("launches")[0];
  EXPECT_THAT(launch.at("kernel").get<std::string>(), HasSubstr("for_each_element<4"));
  EXPECT_EQ(launch.at("grid")[0].get<int>() * launch.at("block")[0].get<int>(), 1024);
  const auto& model = profile.at("model");
  EXPECT_EQ(model.at("gpu"), "a100");
  EXPECT_EQ(model.at("floor").at("bound_by"), "memory");
  EXPECT_DOUBLE_EQ(model.at("floor").at("seconds"), 3 * 4096 * 4 / 2.039e12);
  EXPECT_GE(model.at("bound").at("seconds"), model.at("floor").at("seconds"));

  const Outcome page = run({"kernels", "profile", "add/float4", "--shape", "count=4096"});
  EXPECT_THAT(page.out, HasSubstr("any variant, at least"));
  EXPECT_THAT(page.out, HasSubstr("not measured"));
}

TEST_F(KernelsProfile, TellsWhatNvccMade) {
  const Outcome outcome = run({"kernels", "profile", "add/float4", "--shape", "count=4096", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto profile = nlohmann::json::parse(outcome.out);
  if (!profile.at("compiler_note").is_null()) GTEST_SKIP() << profile.at("compiler_note");
  const auto& compiled = profile.at("launches")[0].at("compiled");
  ASSERT_FALSE(compiled.empty());
  for (const auto& code : compiled) {
    EXPECT_GT(code.at("registers"), 8) << code;
    EXPECT_EQ(code.at("local_bytes"), 0) << code;
    EXPECT_EQ(code.at("instructions").at("counts").at("STG.128"), 1) << code;
    EXPECT_EQ(code.at("instructions").at("counts").count("LDL"), 0U) << code;
    for (const auto& gpu : code.at("occupancy")) EXPECT_GT(gpu.at("fraction"), 0.5) << code;
  }
}

TEST_F(KernelsProfile, WithoutGpuCodeItSaysHowToGetSome) {
  const std::filesystem::path beside = std::filesystem::path(cuelbo_program()).parent_path();
  std::filesystem::create_directory(path("modules"));
  std::filesystem::create_symlink(beside / "libcuelbo_simt_checked.so",
                                  path("modules/libcuelbo_simt_checked.so"));
  ASSERT_EQ(setenv("CUELBO_MODULE_PATH", path("modules").c_str(), 1), 0);
  const Outcome outcome = run({"kernels", "profile", "add/float4", "--shape", "count=4096"});
  unsetenv("CUELBO_MODULE_PATH");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("for_each_element<4"));
  EXPECT_THAT(outcome.out, HasSubstr("not known: the device cuda was not built"));
  EXPECT_TRUE(fails(run({"kernels", "profile", "add/float4", "--code", "tiny.toml"}), 1, "--code: "));
}

TEST_F(KernelsProfile, CountsRequestsWithoutSomeLanes) {
  const Outcome json = run({"kernels", "profile", "add/scalar", "--shape", "count=40", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const auto profile = nlohmann::json::parse(json.out);
  ASSERT_FALSE(profile.at("lines").empty());
  for (const auto& line : profile.at("lines")) {
    EXPECT_EQ(line.at("requests").get<int>() % 2, 0);
    EXPECT_EQ(line.at("divergent").get<int>() * 2, line.at("requests"));
  }
  const Outcome table = run({"kernels", "profile", "add/scalar", "--shape", "count=40"});
  EXPECT_THAT(table.out, HasSubstr("requests divergent   lanes"));
  EXPECT_THAT(table.out, HasSubstr(" 2         1   20.00"));
}

TEST_F(KernelsProfile, SaysWhatIsWrong) {
  EXPECT_TRUE(fails(run({"kernels", "profile", "add", "--gpu", "h200"}), 2, "there is h100, a100"));

  const Outcome device = run({"kernels", "profile", "add", "--device", "cpu"});
  EXPECT_EQ(device.code, 2);
  EXPECT_THAT(device.err, HasSubstr("only simt-checked profiles"));
  const Outcome kernel = run({"kernels", "profile", "ad"});
  EXPECT_EQ(kernel.code, 2);
  EXPECT_THAT(kernel.err, HasSubstr("did you mean 'add'"));
}

}  // namespace
}  // namespace cuelbo::test
