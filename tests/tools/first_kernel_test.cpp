// docs/first_kernel.md: its commands print what it says. The build compiled its edits (cmake/first_kernel.cmake), so its
// `cmake --build` only has to choose between the modules.
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/console_page.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo::test {
namespace {

using std::filesystem::path;

// Variants that call a library exist only where its headers are installed; the page leaves them out.
std::string without_libraries(const std::string& output) {
  std::istringstream lines(output);
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (line.find("CUB") == std::string::npos && line.find("were not built") == std::string::npos)
      kept += line + "\n";
  return kept;
}

TEST(FirstKernel, PrintsWhatThePageSays) {
  const path programs = path(cuelbo_program()).parent_path(), built = programs / "first_kernel";
  if (!exists(built)) GTEST_SKIP() << "built without the CUDA headers, or with sanitizers";
  const std::vector<path> modules{programs, built / "written", built / "fixed"};
  const std::vector<PageCommand> page = console_commands(path(source_directory()) / "docs/first_kernel.md");
  const TemporaryDirectory directory;
  std::size_t builds = 0, compared = 0;
  for (const PageCommand& command : page) {
    SCOPED_TRACE(command.line);
    if (command.line.starts_with("cmake --build")) {
      ASSERT_LT(++builds, modules.size());
      continue;
    }
    const CommandResult result = run_in_shell(command.line, directory.path(), modules[builds]);
    EXPECT_EQ(result.succeeded, command.output.find("FAILED") == std::string::npos) << result.output;
    if (command.output.empty()) continue;
    EXPECT_EQ(without_libraries(result.output), command.output);
    ++compared;
  }
  EXPECT_EQ(builds, 2U);
  EXPECT_GE(compared, 5U);
}

}  // namespace
}  // namespace cuelbo::test
