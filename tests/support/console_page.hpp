// A page of documentation with commands and what they print.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/paths.hpp"

namespace cuelbo::test {

struct PageCommand {
  std::string line, output;
};

// The lines after "$ " of the page's console blocks, with the lines that follow.
inline std::vector<PageCommand> console_commands(const std::filesystem::path& page) {
  std::ifstream file(page);
  std::vector<PageCommand> list;
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

struct CommandResult {
  bool succeeded = false;
  std::string output;  // of both streams
};

// In a shell, with the folder of the built program first in PATH.
inline CommandResult run_in_shell(const std::string& command, const std::filesystem::path& directory,
                                  const std::filesystem::path& modules) {
  const std::filesystem::path program = cuelbo_program();
  const std::string shell = "cd '" + directory.string() + "' && PATH='" + program.parent_path().string() +
                            "':\"$PATH\" CUELBO_MODULE_PATH='" + modules.string() + "' " + command + " 2>&1";
  FILE* const pipe = popen(shell.c_str(), "r");
  if (pipe == nullptr) return {};
  CommandResult result;
  for (char part[4096]; std::fgets(part, sizeof part, pipe) != nullptr;) result.output += part;
  result.succeeded = pclose(pipe) == 0;
  return result;
}

}  // namespace cuelbo::test
