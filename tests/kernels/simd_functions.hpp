// simd.hpp as one table of plain functions for each instruction set, so that one test can call them all.
#pragma once

#include <cstdint>
#include <string_view>

namespace cuelbo::test {

struct SimdFunctions {
  using Map = void (*)(const float* x, float* y, int n);  // y[i] = f(x[i]), by vectors and a partial one

  int lanes;
  Map exp, exp_fast, log, tanh, sigmoid, softplus, sqrt, abs;
  void (*sincos_2pi)(const float* u, float* sine, float* cosine, int n);
  // On vectors of `lanes` floats:
  float (*reduce_add)(const float* x);
  float (*reduce_max)(const float* x);
  std::uint32_t (*less)(const float* a, const float* b);  // bits of a < b
  void (*larger)(const float* a, const float* b, float* y);
  void (*smaller)(const float* a, const float* b, float* y);
  void (*multiply_add)(const float* a, const float* b, const float* c, float* y);
  void (*copy_partial)(const float* x, float* y, int n);   // all lanes of load_partial
  void (*store_partial)(const float* x, float* y, int n);  // of a whole vector
};

}  // namespace cuelbo::test

namespace cuelbo::kernels {
namespace baseline {
extern const test::SimdFunctions simd_functions;
}
#if defined(CUELBO_HAVE_X86_PATHS)
namespace avx2 {
extern const test::SimdFunctions simd_functions;
}
#endif
#if defined(CUELBO_HAVE_X86_PATHS) && !defined(CUELBO_WITHOUT_AVX512)
namespace avx512_bf16 {
extern const test::SimdFunctions simd_functions;
}
namespace avx512 {
extern const test::SimdFunctions simd_functions;
}
#endif
#if defined(CUELBO_HAVE_EMULATED_PATH)
namespace avx512_emulated {
extern const test::SimdFunctions simd_functions;
}
#endif
}  // namespace cuelbo::kernels

namespace cuelbo::test {

inline const SimdFunctions& simd_functions_of([[maybe_unused]] std::string_view path) {
#if defined(CUELBO_HAVE_X86_PATHS) && !defined(CUELBO_WITHOUT_AVX512)
  if (path == "avx512_bf16") return kernels::avx512_bf16::simd_functions;
  if (path == "avx512") return kernels::avx512::simd_functions;
#endif
#if defined(CUELBO_HAVE_X86_PATHS)
  if (path == "avx2") return kernels::avx2::simd_functions;
#endif
#if defined(CUELBO_HAVE_EMULATED_PATH)
  if (path == "avx512_emulated") return kernels::avx512_emulated::simd_functions;
#endif
  return kernels::baseline::simd_functions;
}

}  // namespace cuelbo::test
