// The kernel lab and the device simt from outside.
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Kernels : public TinyTest {
 protected:
  void SetUp() override {
    if (run({"kernels", "list"}).code != 0) GTEST_SKIP() << "built without the CUDA headers";
  }
  std::vector<json> training_log(const std::string& name) const {
    std::vector<json> records;
    std::istringstream lines(content(name + "/log.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      json record = json::parse(line);
      if (record["kind"] != "run") records.push_back(std::move(record));
    }
    return records;
  }
};

TEST_F(Kernels, ListShowsEveryKernelWithItsVariants) {
  const Outcome outcome = run({"kernels", "list", "--json"});
  EXPECT_TRUE(succeeds(outcome));
  const json kernels = json::parse(outcome.out);
  EXPECT_EQ(kernels.size(), 37U);
  const std::string text = run({"kernels", "list"}).out;
  for (const json& kernel : kernels) {
    EXPECT_GE(kernel["variants"].size(), 1U) << kernel["kernel"];
    std::set<std::string> names;
    for (const json& variant : kernel["variants"]) {
      names.insert(variant["name"]);
      EXPECT_FALSE(variant["description"].get<std::string>().empty());
      EXPECT_THAT(text, HasSubstr(variant["description"].get<std::string>()));
    }
    EXPECT_EQ(names.size(), kernel["variants"].size()) << "two variants of one name";
  }
}

TEST_F(Kernels, CheckComparesOneKernelOneVariantOrOneShape) {
  const Outcome kernel = run({"kernels", "check", "softmax_forward"});
  EXPECT_TRUE(succeeds(kernel));
  EXPECT_THAT(kernel.out, AllOf(HasSubstr("softmax_forward/naive"), HasSubstr(", 0 failed")));
  const Outcome variant = run({"kernels", "check", "add/float4", "--shape", "count=1023"});
  EXPECT_TRUE(succeeds(variant));
  EXPECT_THAT(variant.out, HasSubstr("passed  add/float4  2 checks"));
}

TEST_F(Kernels, VariantsOfLibrariesAreListedAndNotExecutedOnSimt) {
  const Outcome list = run({"kernels", "list", "--json"});
  std::map<std::string, std::string> libraries;  // by kernel/variant
  for (const json& kernel : json::parse(list.out))
    for (const json& variant : kernel["variants"]) {
      EXPECT_FALSE(variant["used_by_programs"] && !variant["library"].is_null());
      if (!variant["library"].is_null())
        libraries[kernel["kernel"].get<std::string>() + "/" + variant["name"].get<std::string>()] =
            variant["library"];
    }
  if (libraries.empty()) {
    EXPECT_THAT(list.err, HasSubstr("were not built: their headers were not found"));
    GTEST_SKIP() << "built without the headers of NVIDIA's libraries";
  }
  EXPECT_EQ(libraries["linear_forward/cublas"], "cuBLAS");
  EXPECT_EQ(libraries["conv2d_forward/cudnn"], "cuDNN");
  EXPECT_EQ(libraries["reparameterize_forward/curand"], "cuRAND");
  const Outcome check = run({"kernels", "check", "conv2d_forward/cudnn"});
  EXPECT_TRUE(succeeds(check));
  EXPECT_THAT(check.out,
              AllOf(HasSubstr("calls cuDNN: not executed on simt"), HasSubstr("0 checks on simt")));
}

TEST_F(Kernels, CheckSaysWhatIsWrong) {
  EXPECT_TRUE(fails(run({"kernels", "check", "softmax_forwad"}), 2, "softmax_forward"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add/best"}), 2, "there is no kernel 'add/best'"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--shape", "rows=3"}), 2,
                    "add has no size 'rows'; it has count"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--shape", "count"}), 2, "is no name=number"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--shape", "count=x"}), 2, "is no name=number"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--device", "cpu"}), 2, "simt"));
  EXPECT_EQ(run({"kernels"}).code, 2);
}

TEST_F(Kernels, TrainingOnSimtFollowsTheCpu) {
  train("cpu", {"--steps", "20", "--device", "cpu"});
  train("simt", {"--steps", "20", "--device", "simt"});
  const std::vector<json> cpu = training_log("cpu"), simt = training_log("simt");
  ASSERT_EQ(cpu.size(), simt.size());
  ASSERT_FALSE(cpu.empty());
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_EQ(cpu[i]["step"], simt[i]["step"]);
    const double expected = cpu[i]["elbo"];
    EXPECT_NEAR(simt[i]["elbo"].get<double>(), expected, 1e-4 * std::abs(expected)) << cpu[i]["step"];
  }
}

TEST_F(Kernels, TrainingOnSimtIsRepeatable) {
  train("one", {"--steps", "5", "--device", "simt", "--threads", "1"});
  train("two", {"--steps", "5", "--device", "simt", "--threads", "2"});
  const std::vector<json> one = training_log("one"), two = training_log("two");
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i]["terms"], two[i]["terms"]);
}

TEST_F(Kernels, ADeviceThatIsNotHereSaysWhatIsMissing) {
  const Outcome devices = run({"devices"});
  EXPECT_THAT(devices.out, AllOf(HasSubstr("simt         usable"), HasSubstr("simt-checked usable")));
  if (devices.out.find("cuda         usable") != std::string::npos) GTEST_SKIP() << "a GPU is here";
  const Outcome outcome = run({"train", "tiny.toml", "--device", "cuda", "--output", "gpu"});
  EXPECT_TRUE(fails(outcome, 1, "cuda"));
  EXPECT_FALSE(std::filesystem::exists(path("gpu")));
  EXPECT_TRUE(fails(run({"train", "tiny.toml", "--device", "gpu", "--output", "gpu"}), 2,
                    "use auto, cpu, cuda, cuda:N, simt or simt-checked"));
}

}  // namespace
}  // namespace cuelbo::test
