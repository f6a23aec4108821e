// `cuelbo kernels bench`: times where there is a clock, counts where there is none.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class KernelsBench : public TinyTest {
 protected:
  Json results(const std::vector<std::string>& command) const {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out).at("results") : Json::array();
  }
  bool has(const std::string& device) const {
    return run({"devices"}).out.find(device + " usable") != std::string::npos;
  }
};

TEST_F(KernelsBench, TimesTheCpu) {
  const Json rows =
      results({"kernels", "bench", "add", "--device", "cpu", "--shape", "count=1000", "--json"});
  ASSERT_EQ(rows.size(), 1U);
  const Json& row = rows[0];
  EXPECT_EQ(row.at("variant"), "cpu");
  EXPECT_GT(row.at("seconds"), 0);
  EXPECT_LE(row.at("quartiles")[0], row.at("seconds"));
  EXPECT_LE(row.at("seconds"), row.at("p90_seconds"));
  EXPECT_LE(row.at("p90_seconds"), row.at("p99_seconds"));
  EXPECT_GE(row.at("samples"), 50);
  EXPECT_NEAR(row.at("gigabytes_per_second").get<double>() * row.at("seconds").get<double>(), 3 * 4000e-9,
              1e-15);
  EXPECT_FALSE(row.contains("of_roofline"));  // that of a GPU
  EXPECT_EQ(row.at("command"), "cuelbo kernels bench add --device cpu --shape count=1000");
}

TEST_F(KernelsBench, CountsWithoutAClock) {
  if (!has("simt-checked")) GTEST_SKIP() << "built without the device simt-checked";
  const Json rows =
      results({"kernels", "bench", "add", "--device", "simt-checked", "--shape", "count=4096", "--json"});
  ASSERT_GE(rows.size(), 2U);
  for (const Json& row : rows) {
    EXPECT_FALSE(row.contains("seconds"));
    EXPECT_EQ(row.at("counted").at("loaded_bytes"), 2 * 4 * 4096);
    EXPECT_EQ(row.at("counted").at("stored_bytes"), 4 * 4096);
    EXPECT_EQ(row.at("bound").at("gpu"), "h100");
    EXPECT_GE(row.at("bound").at("least_seconds"), row.at("bound").at("floor_seconds"));
  }
  EXPECT_EQ(rows[0].at("counted").at("requests"), 3 * 4096 / 32);
  EXPECT_EQ(rows[1].at("counted").at("requests"), 3 * 4096 / 32 / 4);  // float4
}

// A thread for each row of 64 floats: 64 loads of a float from each of 32 rows, and a store of 32 floats beside each other.
TEST_F(KernelsBench, CountsSectorsOfWhichAPartIsUsed) {
  if (!has("simt-checked")) GTEST_SKIP() << "built without the device simt-checked";
  const Json rows = results({"kernels", "bench", "sum_columns/naive", "--device", "simt-checked", "--shape",
                             "rows=32,columns=64", "--json"});
  ASSERT_EQ(rows.size(), 1U);
  const Json& counted = rows[0].at("counted");
  EXPECT_EQ(counted.at("requests"), 64 + 1);
  EXPECT_EQ(counted.at("sectors"), 64 * 32 + 4);
  EXPECT_EQ(counted.at("ideal_sectors"), 64 * 4 + 4);
  EXPECT_EQ(counted.at("divergent_requests"), 0);
}

TEST_F(KernelsBench, SaysWhatIsWrong) {
  const auto error = [&](std::vector<std::string> command) {
    command.insert(command.begin(), {"kernels", "bench"});
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error({"add", "--device", "cpu", "--shape", "rows=3"}), HasSubstr("there is no size 'rows'"));
  EXPECT_THAT(error({"ad", "--device", "cpu"}), HasSubstr("did you mean 'add'"));
  EXPECT_THAT(error({"add", "--device", "cpu", "--gpu", "h1000"}), HasSubstr("h100"));
  EXPECT_THAT(error({"add", "--device", "cpu", "--counters"}), HasSubstr("cpu has no hardware counters"));
  if (has("simt")) {
    EXPECT_THAT(error({"--device", "simt"}), HasSubstr("simt-checked counts"));
  }
}

}  // namespace
}  // namespace cuelbo::test
