// Runs another program and waits for it. Its temporary files go with it, however it ends.
#pragma once

#include <string>
#include <vector>

namespace cuelbo::lab {

struct ProgramOutput {
  int code = 0;  // as a shell says it: 127 is a program that is not there
  std::string out, err;
};
ProgramOutput run_program(const std::vector<std::string>& command);  // looked for in PATH. Throws Error

}  // namespace cuelbo::lab
