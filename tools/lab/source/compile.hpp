// Compiles a kernel of a user's file with nvcc.
#pragma once

#include "tools/lab/compiled/report.hpp"
#include "tools/lab/model/gpu.hpp"
#include "tools/lab/source/profile_source.hpp"

namespace cuelbo::lab {

// Compiles for the GPU's architecture; if that is impossible, the note says why.
CompilerReport compile_source(const SourceLaunch& launch, const Gpu& gpu);

}  // namespace cuelbo::lab
