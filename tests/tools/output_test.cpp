// Standard output and standard error, --json and -q of every command.
#include <csignal>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

class CommandOutput : public TinyTest {
 protected:
  std::vector<Json> json_lines(const std::string& text) const {
    std::istringstream lines(text);
    std::vector<Json> records;
    for (std::string line; std::getline(lines, line);) records.push_back(Json::parse(line));
    return records;
  }
};

TEST_F(CommandOutput, IsJsonOfEveryCommandThatReports) {
  train();
  const std::vector<std::pair<std::vector<std::string>, const char*>> commands{
      {{"evaluate", "model"}, "/metrics/importance_bound"},
      {{"report", "model"}, "/file"},
      {{"traverse", "model", "-o", "grid.png"}, "/rows/5/kl"},
      {{"encode", "model", "-i", "images.npy", "-o", "codes.npz"}, "/items"},
      {{"decode", "model", "-i", "codes.npz", "-o", "images2.npy"}, "/items"},
      {{"export", "model", "-o", "model.safetensors"}, "/parameters"},
      {{"objective", "-i", "codes.npz", "--groups", "0-1,2-4,kind", "--estimator", "exact"}, "/kl"},
      {{"presets"}, "/0/name"},
      {{"presets", "vae-mnist"}, "/toml"},
      {{"devices"}, "/0/usable"},
      {{"kernels", "list"}, "/0/kernel"},
      {{"kernels", "check", "add/scalar", "--shape", "count=5"}, "/checked"},
      {{"kernels", "run", "add", "--shape", "count=5"}, "/buffers/0/name"},
  };
  for (const auto& [arguments, pointer] : commands)
    for (const bool in_front : {false, true}) {
      std::vector<std::string> all = arguments;
      all.insert(in_front ? all.begin() : all.end(), {"--json", "-q"});
      const Outcome outcome = run(all);
      EXPECT_TRUE(succeeds(outcome));
      EXPECT_EQ(outcome.err, "") << all.front();
      const Json json = Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
      EXPECT_TRUE(json.contains(Json::json_pointer(pointer)))
          << arguments.front() << " has no " << pointer << ":\n"
          << outcome.out;
    }
}

TEST_F(CommandOutput, OfTrainingAreTheLinesOfItsLogAndHowItEnded) {
  const Outcome outcome = run({"train", "tiny.toml", "--output", "model", "--json"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.err, HasSubstr("step 40/40"));
  ASSERT_TRUE(outcome.out.starts_with(content("model/log.jsonl"))) << outcome.out;
  const std::vector<Json> records = json_lines(outcome.out);
  ASSERT_EQ(records.size(), json_lines(content("model/log.jsonl")).size() + 1);
  const Json end{{"kind", "end"}, {"outcome", "finished"}, {"directory", "model"}};
  EXPECT_EQ(records.back(), end);
  for (const char* steps : {"40", "20"})  // nothing is left to do
    EXPECT_EQ(json_lines(run({"train", "--resume", "model", "--steps", steps, "--json"}).out),
              std::vector{end});
}

TEST_F(CommandOutput, ErrorsAreJsonToo) {
  const auto refused = [&](const std::vector<std::string>& arguments, int code, const std::string& text) {
    const Outcome outcome = run(arguments);
    EXPECT_TRUE(fails(outcome, code, text));
    const Json error = Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(error.is_object()) << outcome.out;
    EXPECT_EQ(error["error"]["exit_code"], code);
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(text));
    EXPECT_EQ("cuelbo: " + error["error"]["message"].get<std::string>() + "\n", outcome.err);
  };
  refused({"evaluate", "nowhere", "--json"}, 1, "nowhere");
  refused({"--json", "evaluate", "nowhere"}, 1, "nowhere");
  refused({"evaluate", "--json"}, 2, "DIR");
  refused({"evaluat", "--json"}, 2, "did you mean 'evaluate'?");
  refused({"train", "no such", "--json"}, 2, "no such");
  EXPECT_THAT(run({"evaluate", "caf\xe9", "--json"}).out, HasSubstr("caf\uFFFD"));  // is not UTF-8
}

TEST_F(CommandOutput, QuietLeavesResultsAndErrors) {
  const Outcome training = run({"train", "tiny.toml", "--output", "model", "-q"});
  EXPECT_TRUE(succeeds(training));
  EXPECT_EQ(training.err, "");
  EXPECT_EQ(training.out, "model\n");
  const Outcome evaluation = run({"-q", "evaluate", "model"});
  EXPECT_EQ(evaluation.err, "");
  EXPECT_THAT(evaluation.out, HasSubstr("16 test items"));
  EXPECT_TRUE(fails(run({"-q", "evaluate", "nowhere"}), 1, "nowhere"));
}

TEST_F(CommandOutput, ProgressDoesNotWaitForTheFirstRecord) {
  RunningCuelbo running({"train", "tiny.toml", "--output", "model", "--steps", "1000000000", "--set",
                         "training.log_every=1000000000", "--set", "training.validate_every=1000000000"},
                        directory_.path());
  EXPECT_TRUE(running.wait_for("/1000000000"));
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().code, 130);
}

}  // namespace
}  // namespace cuelbo::test
