// The three operations of a linear layer as products of two matrices.
#pragma once

#include "kernels/linear/linear.hpp"
#include "kernels/linear/product.cuh"

namespace cuelbo::kernels::cuda {

template <class T>
struct Factors {
  Factor<T> first, second;
};
inline Factors<float> factors(const LinearForward& a) { return {{a.x, a.in}, {a.weight, a.in}}; }
inline Factors<float> factors(const LinearBackwardData& a) { return {{a.dy, a.out}, {a.weight, a.in}}; }
inline Factors<float> factors(const LinearBackwardWeight& a) { return {{a.dy, a.out}, {a.x, a.in}}; }

struct Extents {
  std::int64_t m, n, k;
};
inline Extents extents(const LinearForward& a) { return {a.rows, a.out, a.in}; }
inline Extents extents(const LinearBackwardData& a) { return {a.rows, a.in, a.out}; }
inline Extents extents(const LinearBackwardWeight& a) { return {a.out, a.in, a.rows}; }

inline Epilogue epilogue(const LinearForward& a) { return {.bias = a.bias, .activation = a.activation}; }
inline Epilogue epilogue(const LinearBackwardData& a) {
  return {.gradient_activation = a.activation, .saved = a.x};
}
inline Epilogue epilogue(const LinearBackwardWeight&) { return {}; }

inline float* output(const LinearForward& a) { return a.y; }
inline float* output(const LinearBackwardData& a) { return a.dx; }
inline float* output(const LinearBackwardWeight& a) { return a.dweight; }

// Whether the elements of the factors' rows run along k.
template <class Args>
struct AlongK;
template <>
struct AlongK<LinearForward> {
  static constexpr bool first = true, second = true;
};
template <>
struct AlongK<LinearBackwardData> {
  static constexpr bool first = true, second = false;
};
template <>
struct AlongK<LinearBackwardWeight> {
  static constexpr bool first = false, second = false;
};

// The factors' own extents.
struct FactorSizes {
  std::int64_t first_rows, first_columns, second_rows, second_columns;
};
template <class Args>
FactorSizes factor_sizes(const Args& a) {
  const auto [m, n, k] = extents(a);
  constexpr AlongK<Args> along_k;
  return {along_k.first ? m : k, along_k.first ? k : m, along_k.second ? n : k, along_k.second ? k : n};
}

template <int width, class Args, class T>
auto product(const Args& a, const Factors<T>& f) {
  using First = Matrix<AlongK<Args>::first, width, T>;
  using Second = Matrix<AlongK<Args>::second, width, T>;
  const Extents e = extents(a);
  const int m = static_cast<int>(e.m), n = static_cast<int>(e.n), k = static_cast<int>(e.k);
  return Product<First, Second>{m,
                                n,
                                k,
                                {f.first.p, m, k, f.first.stride},
                                {f.second.p, n, k, f.second.stride},
                                {output(a), m, n, packs_fit(output(a), n, epilogue(a)), epilogue(a)}};
}

inline bool has_outputs(const Extents& e) { return e.m != 0 && e.n != 0; }
inline bool fit_int(const Extents& e) { return fit_int(e.m, e.n, e.k); }

}  // namespace cuelbo::kernels::cuda
