// The report: one page that needs nothing beside it and shows everything.
#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/io/image.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Report = TinyTest;

// Every element that is opened is closed, in the right order. Attribute values hold no < or >.
::testing::AssertionResult well_formed(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return ::testing::AssertionFailure() << "a tag without an end";
    const std::string_view tag = std::string_view(html).substr(at + 1, end - at - 1);
    const bool closes = tag.starts_with('/');
    const std::string name(tag.substr(closes, tag.find_first_of(" \n", closes) - closes));
    if (name.starts_with('!') || name == "meta" || name == "img" || tag.ends_with('/')) continue;
    if (!closes) {
      open.push_back(name);
      // The content of these is not markup.
      if (name == "script" || name == "style") at = html.find("</" + name + ">", end) - 1;
    } else if (open.empty() || open.back() != name) {
      return ::testing::AssertionFailure()
             << "</" << name << "> closes " << (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  if (!open.empty()) return ::testing::AssertionFailure() << open.back() << " is not closed";
  return ::testing::AssertionSuccess();
}

TEST(WellFormed, TellsGoodFromBad) {
  EXPECT_TRUE(well_formed("<!DOCTYPE html><p class=\"a\">x<img src=\"y\"/><br/></p><style>a<b</style>"));
  EXPECT_FALSE(well_formed("<p><b></p></b>"));
  EXPECT_FALSE(well_formed("<p>"));
  EXPECT_FALSE(well_formed("</p>"));
  EXPECT_FALSE(well_formed("<p><script>x"));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST_F(Report, ShowsAnEvaluatedRun) {
  train();
  ASSERT_TRUE(succeeds(run({"evaluate", "model"})));
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html");
  EXPECT_TRUE(well_formed(html));
  for (const char* text : {"ELBO",
                           "Importance bound",
                           "Active units",
                           "exact",
                           "N = 16, B = 16",
                           "relaxed decoding",
                           "categorical",
                           "Mutual information",
                           "TC between groups",
                           "TC within groups",
                           "KL of dimensions",
                           "weight 2",
                           "Traversals",
                           "Reconstructions",
                           "Samples",
                           "kind",
                           "place 2",
                           "form 3",
                           "[[latent]]",
                           "cuelbo train config.toml",
                           "prefers-color-scheme: dark",
                           "viewport"})
    EXPECT_THAT(html, HasSubstr(text));
  EXPECT_EQ(count(html, "<figure class=\"chart"), 7U);
  EXPECT_EQ(count(html, "<div class=\"bar"), 1U + 6U);  // around 5 dimensions and a discrete group
}

TEST_F(Report, NeedsNothingBesideIt) {
  train();
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html");
  EXPECT_THAT(html, Not(HasSubstr("http")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_GT(count(html, "<img "), 100U);
  EXPECT_EQ(count(html, "<img "), count(html, "src=\"data:image/png;base64,"));
}

TEST_F(Report, BeforeEvaluationSaysHowToAddFigures) {
  train();
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html");
  EXPECT_TRUE(well_formed(html));
  EXPECT_THAT(html, HasSubstr("cuelbo evaluate model"));
  EXPECT_THAT(html, HasSubstr("estimator <b>hfvae</b>"));
  EXPECT_THAT(html, Not(HasSubstr("Importance bound")));
}

// Figures are of the checkpoint that the pictures show, not of an earlier one.
TEST_F(Report, LeavesOutTheEvaluationOfAnotherCheckpoint) {
  train();
  ASSERT_TRUE(succeeds(run({"evaluate", "model", "--items", "5"})));
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const auto evaluation = nlohmann::json::parse(content("model/evaluation.json"));
  const std::string step = evaluation.at("step").dump();
  EXPECT_THAT(content("model/report.html"), HasSubstr("over 5 of 16 test items at step " + step));
  // Another model was evaluated at the same step.
  train("other", {"--seed", "9"});
  ASSERT_TRUE(succeeds(run({"evaluate", "other"})));
  auto of_other = nlohmann::json::parse(content("other/evaluation.json"));
  of_other["step"] = evaluation.at("step");
  std::ofstream(path("model/evaluation.json")) << of_other.dump();
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html");
  EXPECT_TRUE(well_formed(html));
  EXPECT_THAT(html, Not(HasSubstr("Importance bound")));
  EXPECT_THAT(html, HasSubstr("on the validation split at step " + step));
  EXPECT_THAT(html, HasSubstr("evaluation.json, of step " + step + ", is not known to be of this model"));
}

TEST_F(Report, WithoutTheDataStillHasFiguresAndCurves) {
  train();
  std::filesystem::remove(path("images.npy"));
  const Outcome outcome = run({"report", "model"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.err, HasSubstr("images.npy"));
  const std::string html = content("model/report.html");
  EXPECT_TRUE(well_formed(html));
  EXPECT_EQ(count(html, "<figure class=\"chart"), 7U);
}

TEST_F(Report, WithoutTheLogStillHasPicturesAndFigures) {
  train();
  std::filesystem::remove(path("model/log.jsonl"));
  const Outcome outcome = run({"report", "model"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.err, HasSubstr("no curves: 'model/log.jsonl' is missing"));
  const std::string html = content("model/report.html");
  EXPECT_TRUE(well_formed(html));
  EXPECT_THAT(html, HasSubstr("No estimates: &#39;model/log.jsonl&#39; is missing"));
  EXPECT_THAT(html, HasSubstr("the checkpoint is of step "));
  EXPECT_THAT(html, Not(HasSubstr("Not finished")));
  EXPECT_EQ(count(html, "<figure class=\"chart"), 0U);
  EXPECT_GT(count(html, "<img "), 100U);
  ASSERT_TRUE(succeeds(run({"evaluate", "model"})));
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_THAT(content("model/report.html"), HasSubstr("Importance bound"));
}

TEST_F(Report, NamesFromTheConfigAreEscaped) {
  train("a <b> & 'c'");
  ASSERT_TRUE(succeeds(run({"report", "a <b> & 'c'"})));
  const std::string html = content("a <b> & 'c'/report.html");
  EXPECT_TRUE(well_formed(html));
  EXPECT_THAT(html, HasSubstr("a &lt;b&gt; &amp; &#39;c&#39;"));
}

TEST_F(Report, WritesPictures) {
  train();
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_EQ(read_image(path("model/pictures/reconstructions.png")).height, 2 + 2 * (8 + 2));
  EXPECT_GT(read_image(path("model/pictures/samples.png")).width, 0);
  EXPECT_GT(read_image(path("model/pictures/traversals.png")).width, 0);
}

TEST_F(Report, AnUnfinishedLastLogLineIsLeftOut) {
  train();
  const std::string log = content("model/log.jsonl");
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html");
  std::ofstream(path("model/log.jsonl"), std::ios::app) << R"({"kind": "train", "st)";
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_EQ(content("model/report.html"), html);
  // A whole one without its newline is not unfinished.
  std::ofstream(path("model/log.jsonl")) << log.substr(0, log.size() - 1);
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_EQ(content("model/report.html"), html);
}

TEST_F(Report, RemarksInTheLogAreSkipped) {
  train();
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  const std::string html = content("model/report.html"), log = content("model/log.jsonl");
  const std::string remarks = R"({"kind":"remark","step":5,"elbo":1})"
                              "\n"
                              R"({"kind":7})"
                              "\n{}\n \r\n";
  std::ofstream(path("model/log.jsonl")) << remarks << log << remarks;
  ASSERT_TRUE(succeeds(run({"report", "model"})));
  EXPECT_EQ(content("model/report.html"), html);
  std::ofstream(path("model/log.jsonl")) << log << "# no JSON\n" << log;
  EXPECT_TRUE(fails(run({"report", "model"}), 1, "'model/log.jsonl': line "));
}

TEST_F(Report, WithoutATestSplitPicturesAreOfTraining) {
  train("model", {"--set", "data.test_fraction=0"});
  const Outcome outcome = run({"report", "model"});
  ASSERT_TRUE(succeeds(outcome));
  EXPECT_THAT(outcome.err, HasSubstr("there is no test split: the images are those of training"));
  const std::string page = content("model/report.html");
  EXPECT_THAT(page, HasSubstr("items of the training split"));
  EXPECT_THAT(page, Not(HasSubstr("test image")));
}

}  // namespace
}  // namespace cuelbo::test
