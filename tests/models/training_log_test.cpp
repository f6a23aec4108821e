#include "models/training_log.hpp"

#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/models/tiny_run.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

class ContinuedLog : public testing::Test {
 protected:
  // log.jsonl with this content, after it is continued after step 10.
  std::string continued(const std::string& content) const {
    std::ofstream(directory_ / "log.jsonl", std::ios::binary) << content;
    const TrainingLog log(directory_.path(), 10);
    return test::read_text(directory_ / "log.jsonl");
  }
  static std::string record(const std::string& kind, int step) {
    return R"({"kind":")" + kind + R"(","step":)" + std::to_string(step) + R"(,"elbo":-1.5})" + "\n";
  }

  test::TemporaryDirectory directory_;
};

TEST_F(ContinuedLog, LosesOnlyLaterRecords) {
  const std::string kept =
      record("run", 0) + record("train", 5) + record("train", 10) + record("validation", 10);
  EXPECT_EQ(continued(kept), kept);
  EXPECT_EQ(continued(kept + record("train", 15) + record("validation", 20)), kept);
  EXPECT_EQ(continued(kept + record("train", 15) + R"({"kind":"train","step":20)"), kept);
}

TEST_F(ContinuedLog, KeepsTheUsersLines) {
  const std::string run = record("run", 0), five = record("train", 5), ten = record("train", 10),
                    later = record("train", 15);
  for (const std::string remark : {"# learning rate is high\n", "\n",
                                   R"({"kind":"remark","text":"x"})"
                                   "\n",
                                   R"({"kind":"remark","step":15})"
                                   "\n",
                                   R"({"kind":7,"step":15})"
                                   "\n",
                                   R"({"step":15})"
                                   "\n",
                                   "[1, 2]\n", "15\n",
                                   R"({"kind":"train","step":"15"})"
                                   "\n"}) {
    EXPECT_EQ(continued(remark + run + five + remark + ten + later), remark + run + five + remark + ten)
        << remark;
    EXPECT_EQ(continued(run + ten + remark + later + remark), run + ten + remark + remark) << remark;
  }
  EXPECT_EQ(continued(run + "# no newline"), run + "# no newline\n");
}

// Some editors write no last newline, and those of other systems write two characters.
TEST_F(ContinuedLog, KeepsWholeRecordsHoweverTheirLinesEnd) {
  const std::string run = record("run", 0);
  std::string ten = record("train", 10);
  ten.pop_back();
  EXPECT_EQ(continued(run + ten), run + ten + "\n");
  EXPECT_EQ(continued(run + ten + "\r\n"), run + ten + "\r\n");
}

// A file system may have stored the length of a file before its content.
TEST_F(ContinuedLog, LosesWhatACrashTore) {
  const std::string kept = record("run", 0) + record("train", 10);
  for (const std::string& torn : {std::string("{"), std::string(R"({"kind":"tr)"),
                                  std::string(R"({"kind)") + std::string(9, '\0'), std::string(100, '\0')})
    EXPECT_EQ(continued(kept + torn), kept) << torn;
}

TEST_F(ContinuedLog, KnowsWhatItHolds) {
  const std::string path = directory_.path().string() + "/log.jsonl";
  const auto state = [&](const std::string& content) {
    std::ofstream(path) << content;
    const TrainingLog log(directory_.path(), 10);
    const std::vector<std::string> files = log.new_files();
    return std::pair(log.has_run(), std::ranges::find(files, path) != files.end());
  };
  EXPECT_EQ(state(""), std::pair(false, true));
  EXPECT_EQ(state("# mine\n"), std::pair(false, true));
  EXPECT_EQ(state(record("run", 0)), std::pair(true, false));  // before the first of the others is due
  EXPECT_EQ(state(record("train", 5)), std::pair(false, false));
  EXPECT_EQ(state(record("run", 0) + record("train", 5)), std::pair(true, false));
}

}  // namespace
}  // namespace cuelbo
