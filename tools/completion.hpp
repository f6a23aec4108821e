// Shell completion: `cuelbo completion SHELL` prints a script that asks `cuelbo __complete WORD…` for candidates.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace cuelbo {

// The first argument that asks for candidates.
inline constexpr const char* complete_command = "__complete";

// The completions of the last of `words`, which follow "cuelbo": lines "candidate" or "candidate<TAB>description", then
// at most one of ":files", ":directories" and ":unfinished" (no space after the candidate).
std::string complete(const CLI::App& root, const std::vector<std::string>& words);

}  // namespace cuelbo
