// `cuelbo kernels report`: the ladders as pages.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/support/paths.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KernelsReport : public TinyTest {
 protected:
  void SetUp() override {
    if (run({"devices"}).out.find("simt-checked usable") == std::string::npos)
      GTEST_SKIP() << "built without the device simt-checked";
  }
  static std::string content(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(KernelsReport, WritesPagesWithPictures) {
  const Outcome outcome =
      run({"kernels", "report", "add", "reparameterize_forward", "-o", (directory_ / "pages").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::filesystem::path pages = directory_ / "pages";
  EXPECT_THAT(content(pages / "README.md"), HasSubstr("[reparameterize_forward](reparameterize_forward.md)"));
  const std::string page = content(pages / "reparameterize_forward.md");
  for (const char* const rung : {"## 0 `scalar`", "## 1 `noise_buffer`", "## 2 `philox4`", "`curand`"})
    EXPECT_THAT(page, HasSubstr(rung));
  EXPECT_THAT(page, HasSubstr("Against `scalar`: 1.46× more traffic of global memory"));
  for (const char* const picture :
       {"reparameterize_forward_roofline", "reparameterize_forward_philox4", "add_float4"}) {
    const std::string svg = content(pages / (std::string(picture) + ".svg"));
    EXPECT_THAT(svg, HasSubstr("</svg>")) << picture;
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << picture;
  }
  // Three accesses of the kernel's line and two of the step counter's, a cycle each.
  const std::string heat = content(pages / "reparameterize_forward_scalar.svg");
  EXPECT_THAT(heat, HasSubstr("reparameterize.cu"));
  EXPECT_THAT(heat, HasSubstr(">60 %   global load 4 B: 4 sectors, 4 at least<"));
  EXPECT_THAT(heat, HasSubstr(">20 %   global load 8 B: 1 sectors, 1 at least<"));
}

// Without what nvcc made, which is not there everywhere: two columns of the table.
std::vector<std::string> lines_without_compiler(const std::string& page) {
  std::vector<std::string> lines;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("| ")) {
      std::istringstream cells(line);
      std::string kept;
      int column = 0;
      for (std::string cell; std::getline(cells, cell, '|'); ++column)
        if (column != 7 && column != 8) kept += cell + "|";
      line = kept;
    }
    lines.push_back(line);
  }
  return lines;
}

TEST_F(KernelsReport, ThePagesInTheDocsAreWhatItWrites) {
  const std::vector<std::string> kernels{"add", "reparameterize_forward", "sum_of_squares"};
  std::vector<std::string> command{"kernels", "report", "-o", (directory_ / "pages").string()};
  command.insert(command.end(), kernels.begin(), kernels.end());
  ASSERT_EQ(run(command).code, 0);
  for (const std::string& kernel : kernels)
    EXPECT_EQ(lines_without_compiler(content(source_directory() + "/docs/ladders/" + kernel + ".md")),
              lines_without_compiler(content(directory_ / "pages" / (kernel + ".md"))))
        << "bash tools/ladders.sh writes them again";
}

TEST_F(KernelsReport, WritesOnePageThatNeedsNothingBesideIt) {
  const std::filesystem::path file = directory_ / "lab.html";
  const Outcome outcome = run({"kernels", "report", "add", "-o", file.string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string html = content(file);
  EXPECT_THAT(html, HasSubstr("<section id=\"add\">"));
  EXPECT_THAT(html, HasSubstr("<svg"));
  EXPECT_THAT(html, Not(HasSubstr("src=")));
  EXPECT_THAT(html, HasSubstr("</html>"));
}

// Before it measures. What it wrote itself it may replace.
TEST_F(KernelsReport, ReplacesNoFileOfOthers) {
  namespace fs = std::filesystem;
  const fs::path pages = directory_ / "pages";
  const std::vector<std::string> command{"kernels", "report", "add", "-o", pages.string()};
  for (const std::string name : {"README.md", "add.md", "add_float4.svg", "add_roofline.svg"}) {
    fs::create_directory(pages);
    std::ofstream(pages / name) << "mine";
    EXPECT_TRUE(fails(run(command), 2, "'" + name + "' was not written by this command")) << name;
    EXPECT_EQ(content(pages / name), "mine");
    fs::remove_all(pages);
  }
  fs::create_directory(pages);
  std::ofstream(directory_ / "target.md") << "";
  fs::create_symlink("../target.md", pages / "add.md");
  EXPECT_TRUE(fails(run(command), 2, "'add.md' was not written by this command"));
  EXPECT_EQ(fs::file_size(directory_ / "target.md"), 0U);
  fs::remove(pages / "add.md");
  std::ofstream(pages / "notes.md") << "mine";
  EXPECT_TRUE(succeeds(run(command)));
  EXPECT_TRUE(succeeds(run(command)));
  EXPECT_EQ(content(pages / "notes.md"), "mine");
}

TEST_F(KernelsReport, SaysWhatIsWrong) {
  const Outcome kernel = run({"kernels", "report", "ad", "-o", (directory_ / "lab.html").string()});
  EXPECT_EQ(kernel.code, 2);
  EXPECT_THAT(kernel.err, HasSubstr("did you mean 'add'"));
  EXPECT_TRUE(fails(run({"kernels", "report", "add/float4", "-o", (directory_ / "pages").string()}), 2,
                    "'add/float4': name the kernel, 'add'"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "pages"));
  const Outcome file = run({"kernels", "report", "add", "-o", (directory_ / "none" / "lab.html").string()});
  EXPECT_EQ(file.code, 1);
  EXPECT_THAT(file.err, HasSubstr("none"));
  const Outcome device =
      run({"kernels", "report", "add", "--device", "cpu", "-o", (directory_ / "lab.html").string()});
  EXPECT_EQ(device.code, 2);
  EXPECT_THAT(device.err, HasSubstr("timed on cuda"));
  EXPECT_EQ(run({"kernels", "report"}).code, 2);
}

}  // namespace
}  // namespace cuelbo::test
