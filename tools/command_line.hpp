// The command line of `cuelbo`.
#pragma once

namespace cuelbo {

enum ExitCode { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };

// Runs the command that the arguments name. Whatever goes wrong is one line "cuelbo: …" on standard error; nothing is thrown.
int run_command_line(int argc, const char* const* argv) noexcept;

}  // namespace cuelbo
