// The stand-ins for NVIDIA's libraries refuse what the libraries refuse, and what would go wrong on a GPU.
#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cudnn.h>
#include <curand.h>

#include "tests/kernels/simt/library_fixture.hpp"

namespace cuelbo::test {
namespace {

using testing::HasSubstr;

constexpr float one = 1, zero = 0;

class LibraryChecks : public LibraryTest {
 protected:
  // A status that is not success, and what the finding has to say.
  template <class Status>
  static void expect_refused(Status status, Status expected, const char* finding) {
    EXPECT_EQ(status, expected);
    EXPECT_THAT(simt::take_library_finding(), HasSubstr(finding));
  }
};

// ---- cuBLAS: C (4, 3) = A (4, 2) · B (2, 3)

class CublasChecks : public LibraryChecks {
 protected:
  struct Call {
    cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
    std::int64_t m = 4, n = 3, k = 2, lda = 4, ldb = 2, ldc = 4;
    const float *a, *b;
    float* c;
  };
  Call call() const { return {.a = a.data(), .b = b.data(), .c = c.data()}; }
  static cublasStatus_t run(cublasHandle_t handle, const Call& g) {
    return cublasSgemm_64(handle, g.op_a, g.op_b, g.m, g.n, g.k, &one, g.a, g.lda, g.b, g.ldb, &zero, g.c,
                          g.ldc);
  }
  void refuses(const Call& g, const char* finding) const {
    expect_refused(run(libraries_->cublas(), g), CUBLAS_STATUS_INVALID_VALUE, finding);
  }

  DeviceFloats a{8}, b{6}, c{12};
};

TEST_F(CublasChecks, ARightCallPasses) {
  EXPECT_EQ(run(libraries_->cublas(), call()), CUBLAS_STATUS_SUCCESS);
  wait();
}
TEST_F(CublasChecks, LeadingDimensions) {
  Call g = call();
  g.lda = 3;
  refuses(g, "cublasSgemm_64: lda is 3, but the matrix has 4 rows");
  g = call();
  g.op_b = CUBLAS_OP_T;
  refuses(g, "ldb is 2, but the matrix has 3 rows");
  g = call();
  g.ldc = 3;
  refuses(g, "ldc is 3");
}
TEST_F(CublasChecks, Memory) {
  Call g = call();
  g.k = 3, g.ldb = 3;
  refuses(g, "A, 48 bytes, is not within an allocation");
  g = call();
  g.ldc = 5;
  refuses(g, "C, 56 bytes, is not within an allocation");
  g = call();
  const std::vector<float> host(6);
  g.b = host.data();
  refuses(g, "B, 24 bytes, is not within an allocation");
  g = call();
  g.a = nullptr;
  refuses(g, "A is null");
}
TEST_F(CublasChecks, OverlapOfOutputAndInput) {
  Call g = call();
  const DeviceFloats both(16);
  g.a = both.data(), g.c = both.data() + 4;
  refuses(g, "C overlaps A");
}
TEST_F(CublasChecks, HandlesWithoutStreamAndDeadOnes) {
  cublasHandle_t handle = nullptr;
  ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  expect_refused(run(handle, call()), CUBLAS_STATUS_INVALID_VALUE, "no stream was set");
  expect_refused(cublasSetWorkspace(handle, a.data(), 1 << 20), CUBLAS_STATUS_INVALID_VALUE,
                 "the workspace, 1048576 bytes, is not within");
  ASSERT_EQ(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  expect_refused(run(handle, call()), CUBLAS_STATUS_NOT_INITIALIZED, "was not created, or is destroyed");
}

// ---- cuBLASLt: the same product

class CublasLtChecks : public LibraryChecks {
 protected:
  CublasLtChecks() {
    cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    cublasLtMatrixLayoutCreate(&layout_a, CUDA_R_32F, 4, 2, 4);
    cublasLtMatrixLayoutCreate(&layout_b, CUDA_R_32F, 2, 3, 2);
    cublasLtMatrixLayoutCreate(&layout_c, CUDA_R_32F, 4, 3, 4);
    cublasLtMatmulPreferenceCreate(&preference);
    const std::uint64_t bytes = 4096;
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                         sizeof bytes);
  }
  ~CublasLtChecks() override {
    cublasLtMatmulDescDestroy(operation);
    for (auto* const layout : {layout_a, layout_b, layout_c}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulPreferenceDestroy(preference);
  }
  cublasStatus_t search(cublasLtMatmulHeuristicResult_t& result) const {
    int found = 0;
    return cublasLtMatmulAlgoGetHeuristic(libraries_->cublaslt(), operation, layout_a, layout_b, layout_c,
                                          layout_c, preference, 1, &result, &found);
  }
  cublasStatus_t run(const float* from, std::size_t workspace_bytes) const {
    cublasLtMatmulHeuristicResult_t best{};
    if (const cublasStatus_t status = search(best); status != CUBLAS_STATUS_SUCCESS) return status;
    return cublasLtMatmul(libraries_->cublaslt(), operation, &one, from, layout_a, b.data(), layout_b, &zero,
                          c.data(), layout_c, c.data(), layout_c, &best.algo, workspace.data(),
                          workspace_bytes, stream_);
  }

  DeviceFloats a{8 + 64}, b{6}, c{12}, workspace{1024};
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t layout_a = nullptr, layout_b = nullptr, layout_c = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
};

TEST_F(CublasLtChecks, ARightCallPasses) {
  EXPECT_EQ(run(a.data(), 4096), CUBLAS_STATUS_SUCCESS);
  wait();
}
TEST_F(CublasLtChecks, WorkspaceOfTheAlgorithm) {
  expect_refused(run(a.data(), 100), CUBLAS_STATUS_INVALID_VALUE, "bytes of workspace, not 100");
  expect_refused(run(a.data(), 8192), CUBLAS_STATUS_INVALID_VALUE,
                 "the workspace, 8192 bytes, is not within an allocation");
}
TEST_F(CublasLtChecks, AlignmentThatTheSearchWasPromised) {
  expect_refused(run(a.data() + 1, 4096), CUBLAS_STATUS_INVALID_VALUE, "A is not aligned to 256 bytes");
  const std::uint32_t alignment = 4;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment,
                                       sizeof alignment);
  EXPECT_EQ(run(a.data() + 1, 4096), CUBLAS_STATUS_SUCCESS);
  wait();
}
TEST_F(CublasLtChecks, DescriptorsThatDoNotFit) {
  const cublasOperation_t transposed = CUBLAS_OP_T;
  cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSB, &transposed, sizeof transposed);
  expect_refused(run(a.data(), 4096), CUBLAS_STATUS_INVALID_VALUE, "op(A) has 2 columns, but op(B) 3 rows");
}
TEST_F(CublasLtChecks, AnEpilogueWithoutItsBias) {
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
  expect_refused(run(a.data(), 4096), CUBLAS_STATUS_INVALID_VALUE, "no pointer to one");
  const std::uint64_t wide = 0;
  expect_refused(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &wide, sizeof wide),
                 CUBLAS_STATUS_INVALID_VALUE, "the attribute has 4 bytes, but 8 were given");
}

// ---- cuDNN: y (1, 3, 3, 2) of x (1, 5, 5, 1) and w (2, 3, 3, 1)

class CudnnChecks : public LibraryChecks {
 protected:
  CudnnChecks() {
    for (cudnnTensorDescriptor_t* tensor : {&x_like, &y_like}) cudnnCreateTensorDescriptor(tensor);
    cudnnCreateFilterDescriptor(&w_like);
    cudnnCreateConvolutionDescriptor(&convolution);
    cudnnSetTensor4dDescriptor(x_like, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, 1, 5, 5);
    cudnnSetFilter4dDescriptor(w_like, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, 2, 1, 3, 3);
    cudnnSetConvolution2dDescriptor(convolution, 0, 0, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
  }
  ~CudnnChecks() override {
    for (auto* const tensor : {x_like, y_like}) cudnnDestroyTensorDescriptor(tensor);
    cudnnDestroyFilterDescriptor(w_like);
    cudnnDestroyConvolutionDescriptor(convolution);
  }
  void set_y(int channels, int height, int width) const {
    cudnnSetTensor4dDescriptor(y_like, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, 1, channels, height, width);
  }
  std::size_t wanted() const {
    std::size_t bytes = 0;
    cudnnGetConvolutionForwardWorkspaceSize(libraries_->cudnn(), x_like, w_like, convolution, y_like,
                                            CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, &bytes);
    return bytes;
  }
  cudnnStatus_t run(cudnnHandle_t handle, std::size_t bytes, float* to) const {
    return cudnnConvolutionForward(handle, &one, x_like, x.data(), w_like, w.data(), convolution,
                                   CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, workspace.data(), bytes,
                                   &zero, y_like, to);
  }

  DeviceFloats x{25}, y{18}, w{18}, workspace{1024};
  cudnnTensorDescriptor_t x_like = nullptr, y_like = nullptr;
  cudnnFilterDescriptor_t w_like = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
};

TEST_F(CudnnChecks, ARightCallPasses) {
  set_y(2, 3, 3);
  EXPECT_EQ(run(libraries_->cudnn(), wanted(), y.data()), CUDNN_STATUS_SUCCESS);
  wait();
}
TEST_F(CudnnChecks, DescriptorsThatAreNotSetOrDoNotFit) {
  expect_refused(run(libraries_->cudnn(), 4096, y.data()), CUDNN_STATUS_BAD_PARAM,
                 "this cudnnTensorDescriptor_t was not set");
  set_y(2, 4, 3);
  expect_refused(run(libraries_->cudnn(), 4096, y.data()), CUDNN_STATUS_BAD_PARAM,
                 "y is 4 x 3, but the convolution gives 3 x 3");
  set_y(1, 3, 3);
  expect_refused(run(libraries_->cudnn(), 4096, y.data()), CUDNN_STATUS_BAD_PARAM,
                 "y has 1 channels, but the filter 2 outputs");
}
TEST_F(CudnnChecks, Workspace) {
  set_y(2, 3, 3);
  expect_refused(run(libraries_->cudnn(), wanted() - 4, y.data()), CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT,
                 "bytes of workspace, not");
  expect_refused(run(libraries_->cudnn(), 8192, y.data()), CUDNN_STATUS_BAD_PARAM,
                 "the workspace, 8192 bytes, is not within");
}
TEST_F(CudnnChecks, Memory) {
  set_y(2, 3, 3);
  expect_refused(run(libraries_->cudnn(), wanted(), y.data() + 1), CUDNN_STATUS_BAD_PARAM,
                 "y, 72 bytes, is not within an allocation");
  expect_refused(run(libraries_->cudnn(), wanted(), w.data()), CUDNN_STATUS_BAD_PARAM, "y overlaps w");
}
TEST_F(CudnnChecks, AHandleWithoutStream) {
  set_y(2, 3, 3);
  cudnnHandle_t handle = nullptr;
  ASSERT_EQ(cudnnCreate(&handle), CUDNN_STATUS_SUCCESS);
  expect_refused(run(handle, 4096, y.data()), CUDNN_STATUS_BAD_PARAM, "no stream was set");
  cudnnDestroy(handle);
}

// ---- cuRAND

TEST_F(LibraryChecks, NormalsComeInPairsIntoTheDevice) {
  const DeviceFloats noise(8);
  EXPECT_EQ(curandGenerateNormal(libraries_->curand(), noise.data(), 8, 0, 1), CURAND_STATUS_SUCCESS);
  wait();
  EXPECT_THAT(noise.host(), testing::Each(testing::IsNan()));
  expect_refused(curandGenerateNormal(libraries_->curand(), noise.data(), 7, 0, 1),
                 CURAND_STATUS_LENGTH_NOT_MULTIPLE, "7 normals, which come in pairs");
  expect_refused(curandGenerateNormal(libraries_->curand(), noise.data(), 10, 0, 1),
                 CURAND_STATUS_LAUNCH_FAILURE, "the output, 40 bytes, is not within");
}

}  // namespace
}  // namespace cuelbo::test

#endif
