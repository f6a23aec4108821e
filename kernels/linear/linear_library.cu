#include "kernels/linear/linear_library.hpp"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include <algorithm>

#include "kernels/bias/column_sums.cuh"
#include "kernels/linear/epilogue_pass.cuh"
#include "kernels/runtime/library_calls.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// c = op(a) · op(b) as the libraries read memory, by columns: to them a row-major matrix is its transpose, so each product
// is asked for as cᵀ = bᵀ · aᵀ. c (m, n) and op(a) (m, k), op(b) (k, n) have leading dimensions.
struct Gemm {
  cublasOperation_t op_a, op_b;
  std::int64_t m, n, k;
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  float* c;
};

Gemm gemm(const LinearForward& a) {
  return {CUBLAS_OP_T, CUBLAS_OP_N, a.out, a.rows, a.in, a.weight, a.in, a.x, a.in, a.y};
}
Gemm gemm(const LinearBackwardData& a) {
  return {CUBLAS_OP_N, CUBLAS_OP_N, a.in, a.rows, a.out, a.weight, a.in, a.dy, a.out, a.dx};
}
Gemm gemm(const LinearBackwardWeight& a) {
  return {CUBLAS_OP_N, CUBLAS_OP_T, a.in, a.out, a.rows, a.x, a.in, a.dy, a.out, a.dweight};
}

constexpr float one = 1, zero = 0;

bool multiply_by_cublas(Libraries& libraries, const Gemm& g) {
  cublasHandle_t const handle = libraries.cublas();
  return handle != nullptr && succeeded(cublasSgemm_64(handle, g.op_a, g.op_b, g.m, g.n, g.k, &one, g.a,
                                                       g.lda, g.b, g.ldb, &zero, g.c, g.m),
                                        "cublasSgemm_64");
}

// ---- cuBLASLt: the operation, the layouts and the limits of the search are descriptors.

using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

template <class T>
bool set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  return succeeded(cublasLtMatmulDescSetAttribute(operation.get(), attribute, &value, sizeof value),
                   "cublasLtMatmulDescSetAttribute");
}
template <class T>
bool set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
  return succeeded(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
                   "cublasLtMatmulPreferenceSetAttribute");
}

// The layout of a matrix as it is stored, before op.
bool create_layout(Layout& layout, cublasOperation_t op, std::int64_t rows, std::int64_t columns,
                   std::int64_t leading) {
  if (op == CUBLAS_OP_T) std::swap(rows, columns);
  return create(
      layout,
      [&](cublasLtMatrixLayout_t* made) {
        return cublasLtMatrixLayoutCreate(made, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), leading);
      },
      "cublasLtMatrixLayoutCreate");
}

// The search relies on alignments: it gets the actual ones, 256 bytes at most. For null, 256.
std::uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer) | 256;
  return static_cast<std::uint32_t>(address & ~(address - 1));
}

// The work that cuBLASLt does besides the product: bias and relu.
struct LtEpilogue {
  cublasLtEpilogue_t kind = CUBLASLT_EPILOGUE_DEFAULT;
  const float* bias = nullptr;  // (m)
  bool complete = false;        // nothing is left to do
};
LtEpilogue fused(const LinearForward& a) {
  const bool relu = a.activation == Activation::relu;
  if (!relu && a.activation != Activation::identity) return {};
  const auto with_bias = relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  const auto without = relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
  return {.kind = a.bias != nullptr ? with_bias : without, .bias = a.bias, .complete = true};
}
LtEpilogue fused(const LinearBackwardData&) { return {}; }
LtEpilogue fused(const LinearBackwardWeight&) { return {}; }

bool multiply_by_cublaslt(Libraries& libraries, const Gemm& g, cublasComputeType_t compute,
                          const LtEpilogue& epilogue) {
  cublasLtHandle_t const handle = libraries.cublaslt();
  void* const memory = libraries.workspace(Libraries::gemm_workspace);
  if (handle == nullptr || memory == nullptr) return false;

  Operation operation;
  Layout a, b, c;
  Preference preference;
  const auto create_operation = [&](cublasLtMatmulDesc_t* made) {
    return cublasLtMatmulDescCreate(made, compute, CUDA_R_32F);
  };
  if (!create(operation, create_operation, "cublasLtMatmulDescCreate") ||
      !set(operation, CUBLASLT_MATMUL_DESC_TRANSA, g.op_a) ||
      !set(operation, CUBLASLT_MATMUL_DESC_TRANSB, g.op_b) ||
      !set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue.kind) ||
      (epilogue.bias != nullptr && !set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, epilogue.bias)) ||
      !create_layout(a, g.op_a, g.m, g.k, g.lda) || !create_layout(b, g.op_b, g.k, g.n, g.ldb) ||
      !create_layout(c, CUBLAS_OP_N, g.m, g.n, g.m))
    return false;
  // Nothing is said of the bias: its alignment goes with that of the output.
  const std::uint32_t alignment_c = std::min(alignment(g.c), alignment(epilogue.bias));
  const std::uint64_t workspace_bytes = Libraries::gemm_workspace;
  if (!create(preference, cublasLtMatmulPreferenceCreate, "cublasLtMatmulPreferenceCreate") ||
      !set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes) ||
      !set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(g.a)) ||
      !set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(g.b)) ||
      !set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_c) ||
      !set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_c))
    return false;

  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  if (!succeeded(cublasLtMatmulAlgoGetHeuristic(handle, operation.get(), a.get(), b.get(), c.get(), c.get(),
                                                preference.get(), 1, &best, &found),
                 "cublasLtMatmulAlgoGetHeuristic") ||
      !succeeded(found == 1 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic"))
    return false;
  return succeeded(cublasLtMatmul(handle, operation.get(), &one, g.a, a.get(), g.b, b.get(), &zero, g.c,
                                  c.get(), g.c, c.get(), &best.algo, memory, workspace_bytes,
                                  static_cast<cudaStream_t>(libraries.stream())),
                   "cublasLtMatmul");
}

// ---- the variants. An epilogue that the library does not have is a pass of ours over its result.

void finish(const LinearForward& a, Stream stream) {
  launch_epilogue(a.rows, a.out, a.y, {.bias = a.bias, .activation = a.activation}, stream);
}
void finish(const LinearBackwardData& a, Stream stream) {
  launch_epilogue(a.rows, a.in, a.dx, {.gradient_activation = a.activation, .saved = a.x}, stream);
}
void finish(const LinearBackwardWeight& a, Stream stream) {
  if (a.dbias != nullptr) column_sums_two_phases(a.rows, a.out, a.dy, a.dbias, a.workspace, stream);
}

template <class Args>
void launch_cublas(const Args& a, Stream stream) {
  Libraries* const libraries = libraries_of(stream);
  const Gemm g = gemm(a);
  if (libraries == nullptr || (g.m > 0 && g.n > 0 && !multiply_by_cublas(*libraries, g))) return;
  finish(a, stream);
}

template <cublasComputeType_t compute, class Args>
void launch_cublaslt(const Args& a, Stream stream) {
  Libraries* const libraries = libraries_of(stream);
  const Gemm g = gemm(a);
  const LtEpilogue epilogue = fused(a);
  if (libraries == nullptr || (g.m > 0 && g.n > 0 && !multiply_by_cublaslt(*libraries, g, compute, epilogue)))
    return;
  if (!epilogue.complete) finish(a, stream);
}

// The bias gradient's; the libraries have a workspace of their own.
std::size_t workspace(const LinearForward&) { return 0; }
std::size_t workspace(const LinearBackwardData&) { return 0; }
std::size_t workspace(const LinearBackwardWeight& a) { return column_sums_workspace(a.rows, a.out); }

template <class Args>
constexpr Variant<Args> variants[] = {
    {"cublas", "cuBLAS: sgemm in fp32", {launch_cublas<Args>, workspace}, Precision::fp32, "cuBLAS"},
    {"cublaslt",
     "cuBLASLt: the algorithm that it suggests, in fp32",
     {launch_cublaslt<CUBLAS_COMPUTE_32F, Args>, workspace},
     Precision::fp32,
     "cuBLASLt"},
    {"cublaslt_tf32",
     "cuBLASLt: fp32 in memory, tf32 on tensor cores",
     {launch_cublaslt<CUBLAS_COMPUTE_32F_FAST_TF32, Args>, workspace},
     Precision::tf32,
     "cuBLASLt"},
    {"cublaslt_bf16",
     "cuBLASLt: fp32 in memory, bf16 on tensor cores",
     {launch_cublaslt<CUBLAS_COMPUTE_32F_FAST_16BF, Args>, workspace},
     Precision::bf16,
     "cuBLASLt"}};

}  // namespace

template <class Args>
Variants<Args> linear_library() {
  return variants<Args>;
}

#else

namespace cuelbo::kernels::cuda {

template <class Args>
Variants<Args> linear_library() {
  return {};
}

#endif

template Variants<LinearForward> linear_library();
template Variants<LinearBackwardData> linear_library();
template Variants<LinearBackwardWeight> linear_library();

}  // namespace cuelbo::kernels::cuda
