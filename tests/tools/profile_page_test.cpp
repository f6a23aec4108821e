// docs/profile.md: its commands print what it says.
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/console_page.hpp"
#include "tests/support/paths.hpp"

namespace cuelbo::test {
namespace {

using std::filesystem::path;

// The page abbreviates output with …, and names paths relative to its folder where messages name whole ones.
TEST(ProfilePage, CommandsPrintWhatThePageSays) {
  const path programs = path(cuelbo_program()).parent_path(), root = source_directory();
  if (!exists(programs / "libcuelbo_simt_checked.so"))
    GTEST_SKIP() << "built without the device simt-checked";
  std::size_t compared = 0;
  for (const PageCommand& command : console_commands(root / "docs/profile.md")) {
    SCOPED_TRACE(command.line);
    CommandResult result = run_in_shell(command.line, root, programs);
    EXPECT_EQ(result.succeeded, !command.output.starts_with("cuelbo: ")) << result.output;
    const std::string prefix = root.string() + "/";
    for (std::size_t at; (at = result.output.find(prefix)) != std::string::npos;)
      result.output.erase(at, prefix.size());
    std::istringstream lines(command.output);
    std::size_t from = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line == "…") continue;
      const std::size_t found = result.output.find(line, from);
      ASSERT_NE(found, std::string::npos) << line << "\nis not in\n" << result.output;
      from = found + line.size();
      ++compared;
    }
  }
  EXPECT_GE(compared, 20U);
}

}  // namespace
}  // namespace cuelbo::test
