// Turns errors of the CUDA runtime into exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include "engine/error.hpp"
#include "kernels/runtime/libraries.hpp"

#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/runtime.hpp"
#endif

namespace cuelbo::cuda {

// `what` completes "cannot …".
inline void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the next call is not to report it again
#if defined(CUELBO_SIMT)
  if (const auto finding = simt::take_finding()) fail("cannot {}: {}", what, to_string(*finding));
#endif
  fail("cannot {}: {} ({})", what, cudaGetErrorString(error), cudaGetErrorName(error));
}

// Throws the error that a library variant has reported, if any.
inline void check_libraries() {
  if (const std::string error = kernels::take_library_error(); !error.empty())
    fail("cannot run a library's kernel: {}", error);
}

// The runtime's current GPU is per host thread and defaults to 0.
inline void use_gpu(int index) { check(cudaSetDevice(index), "use the GPU"); }

}  // namespace cuelbo::cuda
