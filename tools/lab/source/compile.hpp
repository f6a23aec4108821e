// Compiles a kernel of a user's file with nvcc.
#pragma once

#include "tools/lab/compiled/report.hpp"
#include "tools/lab/model/gpu.hpp"
#include "tools/lab/source/profile_source.hpp"

namespace cuelbo::lab {

// For the GPU's architecture; what keeps it from being known is in the note.
CompilerReport compile_source(const SourceLaunch& launch, const Gpu& gpu);

}  // namespace cuelbo::lab
