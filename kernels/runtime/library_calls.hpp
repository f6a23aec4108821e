// For variants that call a library: NVIDIA's headers, the stream's handles and one check for every status.
#pragma once

#include <memory>
#include <type_traits>

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cudnn.h>
#include <curand.h>

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/libraries.hpp"

namespace cuelbo::kernels {

// False, and reported with the call's name, unless the status is success.
bool succeeded(cudaError_t status, const char* call);
bool succeeded(cublasStatus_t status, const char* call);
bool succeeded(cudnnStatus_t status, const char* call);
bool succeeded(curandStatus_t status, const char* call);

// Null, and reported, if the stream comes without libraries or with those of another stream.
Libraries* libraries_of(Stream stream);

// A descriptor that is destroyed with its owner.
template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* descriptor) const {
    destroy(descriptor);
  }
};
template <class Pointer, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy<destroy>>;

template <class T, class Destroyer, class Create>
bool create(std::unique_ptr<T, Destroyer>& owned, Create&& create, const char* call) {
  T* made = nullptr;
  const bool done = succeeded(create(&made), call);
  owned.reset(made);
  return done;
}

}  // namespace cuelbo::kernels
