// The kernel lab and the device simt from outside.
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "kernels/contracts.hpp"
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
#define CUELBO_NAME(name, Args) #name,
  const std::vector<std::string> contracts{CUELBO_CONTRACTS(CUELBO_NAME)};
#undef CUELBO_NAME
  std::vector<std::string> listed;
  for (const json& kernel : kernels) listed.push_back(kernel["kernel"]);
  EXPECT_EQ(listed, contracts);
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

TEST_F(Kernels, ListShowsTheSizesAndBuffersOfOneKernel) {
  const Outcome text =
      run({"kernels", "list", "softmax_forward", "--shape", "rows=3,classes=4,probabilities=0"});
  EXPECT_TRUE(succeeds(text));
  EXPECT_THAT(text.out, AllOf(HasSubstr("classes=4,log_probabilities=1,probabilities=0,rows=3"),
                              HasSubstr("logits             input    float32 (3, 4)"),
                              HasSubstr("log_probabilities  output   float32 (3, 4)"),
                              Not(HasSubstr("  probabilities ")), Not(HasSubstr("softmax_backward"))));
  const json kernel = json::parse(run({"kernels", "list", "adam", "--json"}).out)[0];
  EXPECT_EQ(kernel["sizes"]["count"], 765784);
  std::map<std::string, json> buffers;
  for (const json& buffer : kernel["buffers"]) buffers[buffer["name"]] = buffer;
  EXPECT_EQ(buffers["parameter"]["role"], "updated");
  EXPECT_EQ(buffers["gradient"]["shape"], json::array({765784}));
  EXPECT_EQ(buffers["gradient"]["dtype"], "float32");
  EXPECT_TRUE(fails(run({"kernels", "list", "adam/scalar"}), 2, "name the kernel alone"));
  EXPECT_TRUE(fails(run({"kernels", "list", "adamm"}), 2, "did you mean 'adam'"));
}

TEST_F(Kernels, CheckComparesOneKernelOneVariantOrOneShape) {
  const Outcome kernel = run({"kernels", "check", "softmax_forward"});
  EXPECT_TRUE(succeeds(kernel));
  EXPECT_THAT(kernel.out, AllOf(HasSubstr("softmax_forward/naive"), HasSubstr(", 0 failed")));
  const Outcome variant = run({"kernels", "check", "add/float4", "--shape", "count=1023"});
  EXPECT_TRUE(succeeds(variant));
  EXPECT_THAT(variant.out, AllOf(HasSubstr("passed  add/float4  3 checks"),
                                 HasSubstr("1 variant checked on simt, 0 failed\n")));
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
  const Outcome alone = run({"kernels", "check", "conv2d_forward/cudnn"});
  EXPECT_TRUE(fails(alone, 1, "nothing was checked"));
  EXPECT_THAT(alone.out,
              AllOf(HasSubstr("calls cuDNN: not executed on simt"),
                    HasSubstr("0 variants checked on simt, 0 failed; 1 of libraries not executed")));
  const Outcome among = run({"kernels", "check", "reparameterize_forward", "--shape", "rows=2"});
  EXPECT_EQ(among.code, 0) << among.err;
  EXPECT_THAT(among.out, HasSubstr("; 1 of libraries not executed"));
}

TEST_F(Kernels, CheckPrintsJson) {
  const Outcome outcome = run({"kernels", "check", "affine", "--shape", "count=77,factor=0.25", "--json"});
  EXPECT_TRUE(succeeds(outcome));
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["device"], "simt");
  EXPECT_EQ(report["checked"], 2);
  EXPECT_EQ(report["failed"], 0);
  EXPECT_EQ(report["not_executed"], 0);
  for (const json& variant : report["variants"]) {
    EXPECT_EQ(variant["kernel"], "affine");
    EXPECT_EQ(variant["result"], "passed");
    EXPECT_EQ(variant["checks"], 3);
    EXPECT_LE(variant["error"], variant["tolerance"]);
    EXPECT_EQ(variant["faults"], json::array());
  }
}

TEST_F(Kernels, CheckSaysWhatIsWrong) {
  EXPECT_TRUE(fails(run({"kernels", "check", "softmax_forwad"}), 2, "softmax_forward"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add/worst"}), 2,
                    "there is no variant 'add/worst'; add has scalar, float4"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--shape", "rows=3"}), 2,
                    "add: there is no size 'rows'; there is count"));
  EXPECT_TRUE(fails(run({"kernels", "check", "add", "--shape", "count=-1"}), 2, "count=-1: a whole number"));
  EXPECT_TRUE(fails(run({"kernels", "check", "batch_norm_forward", "--shape", "rows=1"}), 2, "at least 2"));
  // A size that only some kernels have is refused before any of them is checked.
  const Outcome mixed = run({"kernels", "check", "--shape", "count=5"});
  EXPECT_TRUE(fails(mixed, 2, "there is no size 'count'"));
  EXPECT_EQ(mixed.out, "");
  EXPECT_TRUE(
      fails(run({"kernels", "check", "add", "--shape", "count"}), 2, "is not of the form name=number"));
  EXPECT_TRUE(
      fails(run({"kernels", "check", "add", "--shape", "count=x"}), 2, "is not of the form name=number"));
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
  EXPECT_THAT(devices.out, HasSubstr("simt         usable"));
#if !defined(CUELBO_SANITIZED)
  EXPECT_THAT(devices.out, HasSubstr("simt-checked usable"));
#endif
  if (devices.out.find("cuda         usable") != std::string::npos) GTEST_SKIP() << "a GPU is here";
  const Outcome outcome = run({"train", "tiny.toml", "--device", "cuda", "--output", "gpu"});
  EXPECT_TRUE(fails(outcome, 1, "cuda"));
  EXPECT_FALSE(std::filesystem::exists(path("gpu")));
  EXPECT_TRUE(fails(run({"train", "tiny.toml", "--device", "gpu", "--output", "gpu"}), 2,
                    "use auto, cpu, cuda, cuda:N, simt or simt-checked"));
}

}  // namespace
}  // namespace cuelbo::test
