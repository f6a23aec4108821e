// Pages of docs/ that walk through the code: their commands print what they say, and the code they show is that of the repository.
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

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

// The build compiled the page's edits (cmake/first_kernel.cmake), so its `cmake --build` only has to choose between the modules.
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

std::string content(const path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(NewOperation, ShowsTheCodeOfTheRepository) {
  const path root = source_directory();
  std::istringstream page(content(root / "docs/new_operation.md"));
  std::string file, block;  // the file that the text named last; the lines of a block of C++
  bool inside = false;
  int compared = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      if (inside) {
        EXPECT_NE(content(root / file).find(block), std::string::npos) << file << " does not hold\n" << block;
        ++compared;
      }
      inside = line == "```cpp";
      block.clear();
    } else if (inside) {
      block += line + "\n";
    } else {
      for (std::size_t begin = 0; (begin = line.find('`', begin)) != std::string::npos;) {
        const std::size_t end = line.find('`', begin + 1);
        if (end == std::string::npos) break;
        const std::string name = line.substr(begin + 1, end - begin - 1);
        if (name.find('.') != std::string::npos && exists(root / name)) file = name;
        begin = end + 1;
      }
    }
  }
  EXPECT_EQ(compared, 9);
}

TEST(NewOperation, PrintsWhatThePageSays) {
  const path programs = path(cuelbo_program()).parent_path();
  if (!exists(programs / "libcuelbo_simt.so")) GTEST_SKIP() << "built without the CUDA headers";
  const TemporaryDirectory directory;
  for (const PageCommand& command : console_commands(path(source_directory()) / "docs/new_operation.md"))
    EXPECT_EQ(run_in_shell(command.line, directory.path(), programs).output, command.output) << command.line;
}

}  // namespace
}  // namespace cuelbo::test
