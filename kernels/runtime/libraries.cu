#include "kernels/runtime/libraries.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "kernels/runtime/cuda.hpp"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)
#include "kernels/runtime/library_calls.hpp"
#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/libraries/recording.hpp"
#endif
#endif

namespace cuelbo::kernels {

namespace {

struct FirstError {
  std::mutex mutex;
  std::string message;
};
FirstError& first_error() {
  static FirstError error;
  return error;
}

}  // namespace

void report_library_error(const std::string& message) {
  FirstError& error = first_error();
  const std::scoped_lock lock(error.mutex);
  if (error.message.empty()) error.message = message;
}

std::string take_library_error() {
  FirstError& error = first_error();
  const std::scoped_lock lock(error.mutex);
  return std::exchange(error.message, {});
}

#if !defined(CUELBO_HAVE_CUDA_LIBRARIES)

Libraries::~Libraries() = default;

#else

namespace {

bool report(std::string call, const char* status, std::string detail = {}) {
#if defined(CUELBO_SIMT)
  detail = simt::take_library_finding();
#endif
  report_library_error(call.append(": ").append(status).append(detail.empty() ? "" : ": ").append(detail));
  return false;
}

const char* name_of(curandStatus_t status) {
  switch (status) {
    case CURAND_STATUS_VERSION_MISMATCH: return "CURAND_STATUS_VERSION_MISMATCH";
    case CURAND_STATUS_NOT_INITIALIZED: return "CURAND_STATUS_NOT_INITIALIZED";
    case CURAND_STATUS_ALLOCATION_FAILED: return "CURAND_STATUS_ALLOCATION_FAILED";
    case CURAND_STATUS_TYPE_ERROR: return "CURAND_STATUS_TYPE_ERROR";
    case CURAND_STATUS_OUT_OF_RANGE: return "CURAND_STATUS_OUT_OF_RANGE";
    case CURAND_STATUS_LENGTH_NOT_MULTIPLE: return "CURAND_STATUS_LENGTH_NOT_MULTIPLE";
    case CURAND_STATUS_LAUNCH_FAILURE: return "CURAND_STATUS_LAUNCH_FAILURE";
    case CURAND_STATUS_PREEXISTING_FAILURE: return "CURAND_STATUS_PREEXISTING_FAILURE";
    case CURAND_STATUS_INITIALIZATION_FAILED: return "CURAND_STATUS_INITIALIZATION_FAILED";
    case CURAND_STATUS_ARCH_MISMATCH: return "CURAND_STATUS_ARCH_MISMATCH";
    default: return "CURAND_STATUS_INTERNAL_ERROR";
  }
}

}  // namespace

bool succeeded(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return true;
  cudaGetLastError();  // the next call is not to report it again
  return report(call, cudaGetErrorName(status));
}
bool succeeded(cublasStatus_t status, const char* call) {
  return status == CUBLAS_STATUS_SUCCESS || report(call, cublasGetStatusName(status));
}
bool succeeded(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return true;
  char message[512] = {};
  cudnnGetLastErrorString(message, sizeof message);
  return report(call, cudnnGetErrorString(status), message);
}
bool succeeded(curandStatus_t status, const char* call) {
  return status == CURAND_STATUS_SUCCESS || report(call, name_of(status));
}

Libraries* libraries_of(Stream stream) {
  auto* const libraries = static_cast<Libraries*>(stream.libraries);
  if (libraries == nullptr)
    report_library_error("a variant that calls a library was launched on a stream without libraries");
  else if (libraries->stream() != stream.handle)
    report_library_error("a variant was launched with the libraries of another stream");
  else
    return libraries;
  return nullptr;
}

Libraries::~Libraries() {
  if (curand_ != nullptr) curandDestroyGenerator(curand_);
  if (cudnn_ != nullptr) cudnnDestroy(cudnn_);
  if (cublaslt_ != nullptr) cublasLtDestroy(cublaslt_);
  if (cublas_ != nullptr) cublasDestroy(cublas_);
  for (void* workspace : workspaces_) cudaFree(workspace);
}

bool Libraries::can_make(const char* what) const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (!succeeded(cudaStreamIsCapturing(static_cast<cudaStream_t>(stream_), &status), "cudaStreamIsCapturing"))
    return false;
  if (status == cudaStreamCaptureStatusNone) return true;
  report_library_error(std::string(what) +
                       " cannot be made while a graph is captured: run the variant once before that");
  return false;
}

void* Libraries::workspace(std::size_t bytes) {
  if (bytes <= workspace_bytes_ && !workspaces_.empty()) return workspaces_.back();
  if (!can_make("a library's workspace")) return nullptr;
  // Doubled at least, so that all of them together are less than twice the last.
  const std::size_t size = std::max({bytes, 2 * workspace_bytes_, gemm_workspace});
  void* memory = nullptr;
  if (!succeeded(cudaMalloc(&memory, size), "cudaMalloc")) return nullptr;
  workspaces_.push_back(memory);
  workspace_bytes_ = size;
  return memory;
}

cublasContext* Libraries::cublas() {
  if (cublas_ != nullptr) return cublas_;
  void* const memory = workspace(gemm_workspace);
  if (memory == nullptr || !can_make("a handle of cuBLAS")) return nullptr;
  cublasHandle_t handle = nullptr;
  if (!succeeded(cublasCreate(&handle), "cublasCreate")) return nullptr;
  // The stream first: setting it takes the workspace away. Default math keeps fp32 products fp32; the pedantic mode
  // would also exclude algorithms that users of cuBLAS normally run.
  if (succeeded(cublasSetStream(handle, static_cast<cudaStream_t>(stream_)), "cublasSetStream") &&
      succeeded(cublasSetWorkspace(handle, memory, gemm_workspace), "cublasSetWorkspace") &&
      succeeded(cublasSetMathMode(handle, CUBLAS_DEFAULT_MATH), "cublasSetMathMode"))
    return cublas_ = handle;
  cublasDestroy(handle);
  return nullptr;
}

cublasLtContext* Libraries::cublaslt() {
  if (cublaslt_ != nullptr) return cublaslt_;
  if (!can_make("a handle of cuBLASLt")) return nullptr;
  succeeded(cublasLtCreate(&cublaslt_), "cublasLtCreate");
  return cublaslt_;
}

cudnnContext* Libraries::cudnn() {
  if (cudnn_ != nullptr) return cudnn_;
  if (!can_make("a handle of cuDNN")) return nullptr;
  cudnnHandle_t handle = nullptr;
  if (!succeeded(cudnnCreate(&handle), "cudnnCreate")) return nullptr;
  if (succeeded(cudnnSetStream(handle, static_cast<cudaStream_t>(stream_)), "cudnnSetStream"))
    return cudnn_ = handle;
  cudnnDestroy(handle);
  return nullptr;
}

curandGenerator_st* Libraries::curand() {
  if (curand_ != nullptr) return curand_;
  if (!can_make("a generator of cuRAND")) return nullptr;
  curandGenerator_t generator = nullptr;
  if (!succeeded(curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_PHILOX4_32_10), "curandCreateGenerator"))
    return nullptr;
  if (succeeded(curandSetStream(generator, static_cast<cudaStream_t>(stream_)), "curandSetStream") &&
      succeeded(curandSetPseudoRandomGeneratorSeed(generator, 1), "curandSetPseudoRandomGeneratorSeed") &&
      succeeded(curandGenerateSeeds(generator), "curandGenerateSeeds"))
    return curand_ = generator;
  curandDestroyGenerator(generator);
  return nullptr;
}

#endif

}  // namespace cuelbo::kernels
