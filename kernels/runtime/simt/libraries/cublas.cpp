// The functions of cublas_v2.h that our variants call.
#include <cublas_v2.h>

#include "kernels/runtime/simt/libraries/checks.hpp"

using cuelbo::simt::CallCheck;
using cuelbo::simt::text;

struct cublasContext {
  bool has_stream = false;
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
};

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): names of ours

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  CallCheck check("cublasCreate");
  check.require(handle != nullptr, "the pointer for the handle is null");
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  cuelbo::simt::object_made(*handle = new cublasContext, "cublasHandle_t");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  CallCheck check("cublasDestroy");
  check.destroy(handle, "cublasHandle_t");
  if (!check) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  CallCheck check("cublasSetStream");
  if (!check.live(handle, "cublasHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->has_stream = true;
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  CallCheck check("cublasSetWorkspace");
  if (!check.live(handle, "cublasHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  check.memory({"the workspace", workspace, bytes}, 256);
  return check ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  CallCheck check("cublasSetMathMode");
  if (!check.live(handle, "cublasHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                 std::int64_t m, std::int64_t n, std::int64_t k, const float* alpha,
                                 const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
                                 const float* beta, float* c, std::int64_t ldc) {
  CallCheck check("cublasSgemm_64");
  if (!check.live(handle, "cublasHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  check.require(handle->has_stream, "no stream was set");
  check.require(alpha != nullptr && beta != nullptr, "alpha or beta is null");
  check.require(op_a <= CUBLAS_OP_T && op_b <= CUBLAS_OP_T, text("operations ", op_a, " and ", op_b));
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  const bool tf32 = (handle->math & 0xf) == CUBLAS_TF32_TENSOR_OP_MATH;
  const cuelbo::simt::Gemm gemm{.transpose_a = op_a == CUBLAS_OP_T,
                                .transpose_b = op_b == CUBLAS_OP_T,
                                .m = m,
                                .n = n,
                                .k = k,
                                .alpha = *alpha,
                                .a = a,
                                .lda = lda,
                                .b = b,
                                .ldb = ldb,
                                .beta = *beta,
                                .c = c,
                                .ldc = ldc,
                                .compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F};
  check.gemm(gemm);
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  check.submit(gemm, columns_of(gemm), handle->stream);
  return CUBLAS_STATUS_SUCCESS;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
