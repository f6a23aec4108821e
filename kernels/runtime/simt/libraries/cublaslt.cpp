// The functions of cublasLt.h that our variants call. Descriptors hold what is set in their opaque data.
#include <cublasLt.h>

#include <bit>
#include <cstring>

#include "kernels/runtime/simt/libraries/checks.hpp"

using cuelbo::simt::CallCheck;
using cuelbo::simt::text;

struct cublasLtContext {};

namespace {

struct Operation {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const float* bias = nullptr;
};
struct Layout {
  std::uint64_t rows = 0, columns = 0;
  std::int64_t leading = 0;
};
struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t alignment_a = 256, alignment_b = 256, alignment_c = 256, alignment_d = 256;
};
// What the search has chosen: an algorithm that needs a workspace and relies on the alignments.
struct Algorithm {
  std::uint64_t magic = 0, workspace = 0;
  std::uint32_t alignment_a = 0, alignment_b = 0, alignment_c = 0, alignment_d = 0;
};
constexpr std::uint64_t algorithm_magic = 0x6d746c6175626c65;

template <class State, class Opaque>
State load(const Opaque* opaque) {
  static_assert(sizeof(State) <= sizeof(Opaque));
  State state;
  std::memcpy(static_cast<void*>(&state), opaque, sizeof state);
  return state;
}
template <class State, class Opaque>
void save(Opaque* opaque, const State& state) {
  static_assert(sizeof(State) <= sizeof(Opaque));
  std::memcpy(opaque, &state, sizeof state);
}

template <class Opaque, class State>
cublasStatus_t make(const char* call, const char* type, Opaque** made, const State& state) {
  CallCheck check(call);
  check.require(made != nullptr, "the pointer for the descriptor is null");
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  save(*made = new Opaque{}, state);
  cuelbo::simt::object_made(*made, type);
  return CUBLAS_STATUS_SUCCESS;
}
template <class Opaque>
cublasStatus_t destroy(const char* call, const char* type, Opaque* object) {
  CallCheck check(call);
  check.destroy(object, type);
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  delete object;
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
void set(CallCheck& check, T& member, const void* value, std::size_t bytes) {
  check.require(value != nullptr && bytes == sizeof(T),
                text("the attribute has ", sizeof(T), " bytes, but ", bytes, " were given"));
  if (check) std::memcpy(static_cast<void*>(&member), value, sizeof(T));
}

// The product that the descriptors describe, without its memory.
cuelbo::simt::Gemm described(CallCheck& check, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                             cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  check.live(operation, "cublasLtMatmulDesc_t");
  for (auto* const layout : {a, b, c, d}) check.live(layout, "cublasLtMatrixLayout_t");
  if (!check) return {};
  const auto o = load<Operation>(operation);
  const auto la = load<Layout>(a), lb = load<Layout>(b), lc = load<Layout>(c), ld = load<Layout>(d);
  const bool transpose_a = o.op_a == CUBLAS_OP_T, transpose_b = o.op_b == CUBLAS_OP_T;
  const std::uint64_t m = transpose_a ? la.columns : la.rows, k = transpose_a ? la.rows : la.columns;
  const std::uint64_t n = transpose_b ? lb.rows : lb.columns, k_of_b = transpose_b ? lb.columns : lb.rows;
  check.require(k == k_of_b, text("op(A) has ", k, " columns, but op(B) ", k_of_b, " rows"));
  check.require(lc.rows == m && lc.columns == n,
                text("C is ", lc.rows, " x ", lc.columns, ", but the product ", m, " x ", n));
  check.require(ld.rows == lc.rows && ld.columns == lc.columns && ld.leading == lc.leading,
                "C and D have different layouts");
  const bool relu = (o.epilogue & CUBLASLT_EPILOGUE_RELU) != 0,
             bias = (o.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0;
  check.require((o.epilogue & ~7U) == 0, text("epilogue ", o.epilogue, " is not one that we use"));
  check.require(!bias || o.bias != nullptr, "the epilogue has a bias, but no pointer to one");
  return {.transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .m = static_cast<std::int64_t>(m),
          .n = static_cast<std::int64_t>(n),
          .k = static_cast<std::int64_t>(k),
          .lda = la.leading,
          .ldb = lb.leading,
          .ldc = lc.leading,
          .bias = bias ? o.bias : nullptr,
          .relu = relu,
          .compute = o.compute};
}

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): names of ours

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  CallCheck check("cublasLtCreate");
  check.require(handle != nullptr, "the pointer for the handle is null");
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  cuelbo::simt::object_made(*handle = new cublasLtContext, "cublasLtHandle_t");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return destroy("cublasLtDestroy", "cublasLtHandle_t", handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return make("cublasLtMatmulDescCreate", "cublasLtMatmulDesc_t", made, Operation{.compute = compute});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  return destroy("cublasLtMatmulDescDestroy", "cublasLtMatmulDesc_t", operation);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              std::size_t bytes) {
  CallCheck check("cublasLtMatmulDescSetAttribute");
  if (!check.live(operation, "cublasLtMatmulDesc_t")) return CUBLAS_STATUS_INVALID_VALUE;
  auto o = load<Operation>(operation);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: set(check, o.op_a, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_TRANSB: set(check, o.op_b, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE: set(check, o.epilogue, value, bytes); break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: set(check, o.bias, value, bytes); break;
    default: check.require(false, text("attribute ", attribute, " is not one that we use"));
  }
  save(operation, o);
  return check ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading) {
  if (type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return make("cublasLtMatrixLayoutCreate", "cublasLtMatrixLayout_t", made,
              Layout{.rows = rows, .columns = columns, .leading = leading});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy("cublasLtMatrixLayoutDestroy", "cublasLtMatrixLayout_t", layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  return make("cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreference_t", made, Preference{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy("cublasLtMatmulPreferenceDestroy", "cublasLtMatmulPreference_t", preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  CallCheck check("cublasLtMatmulPreferenceSetAttribute");
  if (!check.live(preference, "cublasLtMatmulPreference_t")) return CUBLAS_STATUS_INVALID_VALUE;
  auto p = load<Preference>(preference);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: set(check, p.workspace, value, bytes); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: set(check, p.alignment_a, value, bytes); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: set(check, p.alignment_b, value, bytes); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: set(check, p.alignment_c, value, bytes); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: set(check, p.alignment_d, value, bytes); break;
    default: check.require(false, text("attribute ", attribute, " is not one that we use"));
  }
  save(preference, p);
  return check ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  CallCheck check("cublasLtMatmulAlgoGetHeuristic");
  if (!check.live(handle, "cublasLtHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  described(check, operation, a, b, c, d);
  check.live(preference, "cublasLtMatmulPreference_t");
  check.require(wanted > 0 && results != nullptr && found != nullptr,
                "no result is wanted, or a pointer for results is null");
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  const auto p = load<Preference>(preference);
  const Algorithm algorithm{.magic = algorithm_magic,
                            .workspace = p.workspace / 2,
                            .alignment_a = p.alignment_a,
                            .alignment_b = p.alignment_b,
                            .alignment_c = p.alignment_c,
                            .alignment_d = p.alignment_d};
  *found = 1;
  *results = {};
  save(&results->algo, algorithm);
  results->workspaceSize = algorithm.workspace;
  results->state = CUBLAS_STATUS_SUCCESS;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t layout_a, const void* b,
                              cublasLtMatrixLayout_t layout_b, const void* beta, const void* c,
                              cublasLtMatrixLayout_t layout_c, void* d, cublasLtMatrixLayout_t layout_d,
                              const cublasLtMatmulAlgo_t* chosen, void* workspace, std::size_t bytes,
                              cudaStream_t stream) {
  CallCheck check("cublasLtMatmul");
  if (!check.live(handle, "cublasLtHandle_t")) return CUBLAS_STATUS_NOT_INITIALIZED;
  cuelbo::simt::Gemm gemm = described(check, operation, layout_a, layout_b, layout_c, layout_d);
  check.require(alpha != nullptr && beta != nullptr, "alpha or beta is null");
  check.require(c == d, "C is not D, which is not what we use");
  const Algorithm algorithm = chosen == nullptr ? Algorithm{} : load<Algorithm>(chosen);
  check.require(algorithm.magic == algorithm_magic, "the algorithm comes from no search");
  check.require(bytes >= algorithm.workspace,
                text("the algorithm needs ", algorithm.workspace, " bytes of workspace, not ", bytes));
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  gemm.alpha = *static_cast<const float*>(alpha);
  gemm.beta = *static_cast<const float*>(beta);
  gemm.a = static_cast<const float*>(a);
  gemm.b = static_cast<const float*>(b);
  gemm.c = static_cast<float*>(d);
  check.gemm(gemm);
  const cuelbo::simt::Piece memory{"the workspace", workspace, bytes};
  const auto aligned = [&](const char* what, const void* pointer, std::uint32_t alignment) {
    check.memory({what, pointer, 1}, alignment);
  };
  aligned("A", a, algorithm.alignment_a);
  aligned("B", b, algorithm.alignment_b);
  aligned("C", c, algorithm.alignment_c);
  aligned("D", d, algorithm.alignment_d);
  if (gemm.bias != nullptr) aligned("the bias", gemm.bias, algorithm.alignment_d);
  check.memory(memory, 256);
  check.apart(memory, {cuelbo::simt::matrix("C", gemm.c, gemm.m, gemm.n, gemm.ldc)});
  if (!check) return CUBLAS_STATUS_INVALID_VALUE;
  check.submit(gemm, columns_of(gemm), stream);
  return CUBLAS_STATUS_SUCCESS;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
