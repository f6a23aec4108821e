// tools/gpu_check.sh without a GPU: a package made of the built programs runs its checks on the device simt.
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/paths.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/tools/program.hpp"

namespace cuelbo::test {
namespace {

using nlohmann::json;

// Exit code; the output is in the file `log` of the folder.
int shell(const TemporaryDirectory& folder, const std::string& command) {
  return std::system(("cd '" + folder.path().string() + "' && " + command + " > log 2>&1").c_str());
}
std::string log_of(const TemporaryDirectory& folder) {
  std::ifstream file(folder / "log");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every number under a key that speaks of time or of a rate.
int times_in(const json& value) {
  int count = 0;
  for (const auto& [name, inner] : value.items())
    count += inner.is_structured() ? times_in(inner)
                                   : inner.is_number() && (name.find("second") != std::string::npos ||
                                                           name.find("ms") != std::string::npos ||
                                                           name.find("flops") != std::string::npos);
  return count;
}

TEST(GpuCheck, APackageChecksTheSimtDeviceAndHoldsNoTime) {
  if (cuelbo({"kernels", "list"}).code != 0) GTEST_SKIP() << "built without the CUDA headers";
  if (std::system("python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "python3 is not here";
#if defined(CUELBO_SANITIZED)
  GTEST_SKIP() << "instrumented programs exceed a package's size";
#endif
  const TemporaryDirectory folder;
  const std::string programs = std::filesystem::path(cuelbo_program()).parent_path().string();
  ASSERT_EQ(shell(folder, "bash '" + source_directory() + "/tools/gpu_check.sh' --package box --programs '" +
                              programs + "'"),
            0)
      << log_of(folder);
  ASSERT_EQ(shell(folder, "bash box/gpu_check.sh --device simt --output results"), 0) << log_of(folder);

  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "results"))
    files.push_back(entry.path());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_THAT(files[0].filename().string(), testing::StartsWith("simt-"));
  std::ifstream file(files[0]);
  const json report = json::parse(file);
  EXPECT_EQ(report["device"]["kind"], "simt");
  std::map<std::string, std::string> status;
  for (const json& stage : report["stages"]) {
    status[stage["stage"]] = stage["status"];
    EXPECT_TRUE(stage["seconds"].is_null()) << stage;
  }
  EXPECT_EQ(status["device"], "passed");
  EXPECT_EQ(status["kernels"], "passed");
  EXPECT_EQ(status["training hfvae-dsprites"], "passed");
  EXPECT_NE(status["training hfvae-mnist"], "failed");
  for (const char* const of_a_gpu : {"memcheck", "racecheck", "benchmark", "torch"})
    EXPECT_EQ(status[of_a_gpu], "skipped") << of_a_gpu;
  EXPECT_EQ(times_in(report), 0);
}

// Programs that answer as they do beside a GPU: cuelbo, nvidia-smi and compute-sanitizer, which finds something in `exp`.
constexpr const char* fake_cuelbo = R"(#!/bin/sh
case "$*" in
  devices) echo "cuda   usable       A GPU, compute capability 9.0, 80 GiB" ;;
  --version) echo "cuelbo 0" ;;
  "kernels list --json") echo '[{"kernel": "add"}, {"kernel": "exp"}]' ;;
  "kernels check "*) echo '{"checked": 3, "failed": 0, "not_executed": 0, "variants": []}' ;;
  "kernels bench add "*) echo '{"results": [{"kernel": "add", "seconds": 1e-6}]}' ;;
  "kernels bench "*) echo "cuelbo: it does not run" >&2; exit 1 ;;
  train*)
    while [ "$1" != --output ]; do shift; done
    mkdir -p "$2"
    case "$4" in cuda) elbo=-100.001 ;; *) elbo=-100 ;; esac
    for step in $(seq 20); do echo "{\"kind\": \"train\", \"step\": $step, \"elbo\": $elbo}"; done > "$2/log.jsonl" ;;
esac
)";
constexpr const char* fake_nvidia_smi = R"(#!/bin/sh
echo "A GPU, 580.1, 9.0, 81559 MiB, 1980 MHz, 2619 MHz, 1980 MHz, 2619 MHz, 700.00 W, 30, Enabled"
)";
constexpr const char* fake_sanitizer = R"(#!/bin/sh
case "$*" in *" exp "*) echo "========= ERROR SUMMARY: 1 error" >&2; exit 1 ;; esac
)";

void write_program(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

TEST(GpuCheck, MeasuresAndReportsAGpu) {
  if (std::system("python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "python3 is not here";
  const TemporaryDirectory folder;
  write_program(folder / "bin/cuelbo", fake_cuelbo);
  write_program(folder / "path/nvidia-smi", fake_nvidia_smi);
  write_program(folder / "path/compute-sanitizer", fake_sanitizer);
  EXPECT_NE(shell(folder, "PATH=$PWD/path:$PATH bash '" + source_directory() +
                              "/tools/gpu_check.sh' --programs bin --output results"),
            0);
  std::ifstream file(std::filesystem::directory_iterator(folder / "results")->path());
  const json report = json::parse(file);
  EXPECT_EQ(report["device"]["name"], "A GPU");
  EXPECT_EQ(report["device"]["driver_version"], "580.1");
  EXPECT_EQ(report["device"]["clocks.max.sm"], "1980 MHz");
  std::map<std::string, json> stages;
  for (const json& stage : report["stages"]) {
    stages[stage["stage"]] = stage;
    EXPECT_TRUE(stage["seconds"].is_number()) << stage;
  }
  EXPECT_EQ(stages["kernels"]["result"]["checked"], 3);
  EXPECT_EQ(stages["training hfvae-dsprites"]["status"], "passed") << log_of(folder);
  EXPECT_NEAR(stages["training hfvae-dsprites"]["result"]["largest_difference"].get<double>(), 1e-5, 1e-9);
  EXPECT_EQ(stages["memcheck"]["status"], "failed");
  EXPECT_EQ(stages["memcheck"]["result"]["passed"], json({"add"}));
  EXPECT_TRUE(stages["memcheck"]["result"]["failed"].contains("exp"));
  EXPECT_EQ(stages["benchmark"]["result"]["kernels"]["add"]["results"][0]["seconds"], 1e-6);
  EXPECT_EQ(stages["benchmark"]["reason"], "not measured: exp");
}

TEST(GpuCheck, RefusesTrainingThatDiffersFromTheCpu) {
  if (std::system("python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "python3 is not here";
  for (const char* const elbo : {"-100.02", "NaN"}) {
    const TemporaryDirectory folder;
    std::string text = fake_cuelbo;
    text.replace(text.find("-100.001"), 8, elbo);
    write_program(folder / "bin/cuelbo", text);
    EXPECT_NE(
        shell(folder, "bash '" + source_directory() + "/tools/gpu_check.sh' --programs bin --output results"),
        0);
    EXPECT_THAT(log_of(folder), testing::HasSubstr("training hfvae-dsprites: failed (the ELBO differs by"));
  }
}

TEST(GpuCheck, SaysWhatFailsAndGoesOn) {
  if (std::system("python3 -c '' 2> /dev/null") != 0) GTEST_SKIP() << "python3 is not here";
  const TemporaryDirectory folder;
  write_program(folder / "bin/cuelbo", "#!/bin/sh\necho 'cuelbo: it is broken' >&2\nexit 1\n");
  EXPECT_NE(shell(folder, "bash '" + source_directory() +
                              "/tools/gpu_check.sh' --device simt --programs bin --output results"),
            0);
  const std::string log = log_of(folder);
  EXPECT_THAT(log, testing::HasSubstr("device: failed (cuelbo: cuelbo: it is broken)"));
  EXPECT_THAT(log, testing::HasSubstr("training hfvae-dsprites: failed"));
  EXPECT_THAT(log, testing::HasSubstr("FAILED: device, kernels, training hfvae-dsprites"));
  EXPECT_FALSE(std::filesystem::is_empty(folder / "results"));
}

}  // namespace
}  // namespace cuelbo::test
