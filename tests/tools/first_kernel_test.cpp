// docs/first_kernel.md: its commands print what it says. The build compiled its edits (cmake/first_kernel.cmake), so its
// `cmake --build` only has to choose between the modules.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"

namespace cuelbo::test {
namespace {

using std::filesystem::path;

struct Command {
  std::string line, output;
};

// The lines after "$ " of the page's console blocks, with the lines that follow.
std::vector<Command> commands(const path& page) {
  std::ifstream file(page);
  std::vector<Command> list;
  bool console = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```"))
      console = line == "```console";
    else if (console && line.starts_with("$ "))
      list.push_back({line.substr(2), ""});
    else if (console)
      list.back().output += line + "\n";
  }
  return list;
}

struct Result {
  bool succeeded = false;
  std::string output;
};
Result run(const std::string& command, const path& directory, const path& modules) {
  const path program = CUELBO_PROGRAM;
  const std::string shell = "cd '" + directory.string() + "' && PATH='" + program.parent_path().string() +
                            "':\"$PATH\" CUELBO_MODULE_PATH='" + modules.string() + "' " + command + " 2>&1";
  FILE* const pipe = popen(shell.c_str(), "r");
  if (pipe == nullptr) return {};
  Result result;
  for (char part[4096]; std::fgets(part, sizeof part, pipe) != nullptr;) result.output += part;
  result.succeeded = pclose(pipe) == 0;
  return result;
}

// Variants that call a library are there only where its headers are; the page leaves them out.
std::string without_libraries(const std::string& output) {
  std::istringstream lines(output);
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (line.find("CUB") == std::string::npos && line.find("were not built") == std::string::npos)
      kept += line + "\n";
  return kept;
}

TEST(FirstKernel, PrintsWhatThePageSays) {
  const path programs = path(CUELBO_PROGRAM).parent_path(), built = programs / "first_kernel";
  if (!exists(built)) GTEST_SKIP() << "built without the CUDA headers, or with sanitizers";
  const std::vector<path> modules{programs, built / "written", built / "fixed"};
  const std::vector<Command> page = commands(path(CUELBO_SOURCE_DIR) / "docs/first_kernel.md");
  const TemporaryDirectory directory;
  std::size_t builds = 0, compared = 0;
  for (const Command& command : page) {
    SCOPED_TRACE(command.line);
    if (command.line.starts_with("cmake --build")) {
      ASSERT_LT(++builds, modules.size());
      continue;
    }
    const Result result = run(command.line, directory.path(), modules[builds]);
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
