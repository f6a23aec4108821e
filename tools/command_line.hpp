// The command line of `cuelbo`.
#pragma once

namespace cuelbo {

enum ExitCode { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_interrupted = 130 };
inline constexpr const char* exit_codes_text =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C after writing a checkpoint.";

// Runs the command that the arguments name. Whatever goes wrong is one line "cuelbo: …" on standard error; nothing is thrown.
int run_command_line(int argc, const char* const* argv) noexcept;

}  // namespace cuelbo
