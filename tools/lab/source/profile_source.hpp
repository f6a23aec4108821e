// Profiles a kernel of a user's CUDA file.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "kernels/runtime/simt/profile.hpp"
#include "tools/lab/source/arguments.hpp"

namespace cuelbo::lab {

struct SourceLaunch {
  std::filesystem::path file;
  std::string kernel;  // with template arguments, if it has any
  std::array<unsigned, 3> grid{1, 1, 1}, block{1, 1, 1};
  std::size_t shared_bytes = 0;
  std::uint64_t loop_limit = 0;  // steps of a block, see BlockTask::code_limit
  std::vector<SourceArgument> arguments;
  std::uint64_t seed = 1;
};

struct SourceProfile {
  simt::Profile profile;
  std::map<std::string, Array> outputs;  // by the name of their buffer
};

SourceProfile profile_source(const SourceLaunch& launch);

}  // namespace cuelbo::lab
