// The bytes that the variants of a linear layer move, as Kernel::moved_bytes counts them.
#pragma once

#include "kernels/bias/column_sums.cuh"
#include "kernels/linear/linear_product.cuh"
#include "kernels/linear/product_bytes.cuh"

namespace cuelbo::kernels::cuda {

template <class Args>
ProductExtents product_extents(const Args& a) {
  const Extents e = extents(a);
  return {e.m, e.n, e.m * e.k, e.n * e.k};
}

// The bias gradient beside the weight gradient.
template <class Args>
std::int64_t bias_bytes(const Args& a, bool one_thread_a_column = false) {
  if constexpr (std::is_same_v<Args, LinearBackwardWeight>) {
    const std::int64_t chunks = one_thread_a_column ? 1 : column_chunks(a.rows, a.out).chunks;
    return a.dbias == nullptr ? 0 : column_sums_bytes(a.rows, a.out, chunks);
  } else {
    return 0;
  }
}

template <class Args>
std::int64_t naive_bytes(const Args& a) {
  const Extents e = extents(a);
  return one_output_bytes(e.m * e.n, e.k, AlongK<Args>::second) + output_bytes(e.m, e.n, epilogue(a), 1) +
         bias_bytes(a, true);
}

template <class Args>
std::int64_t shared_tile_bytes(const Args& a) {
  const ProductExtents e = product_extents(a);
  return factor_bytes(e, shared_tile, shared_tile, 4) +
         output_bytes(e.m, e.n, epilogue(a), shared_tile_rows) + bias_bytes(a);
}

template <class T, class Args>
std::int64_t register_tile_bytes(const Args& a, Slices slices) {
  return sliced_bytes<T>(product_extents(a), slices.count, epilogue(a)) + bias_bytes(a);
}

// The factors once to make copies of them, where they are made, and the copies by tiles.
template <class T, class Args>
std::int64_t tensor_tile_bytes(const Args& a, Slices slices) {
  using Element = typename T::Element;
  const FactorSizes f = factor_sizes(a);
  const auto first = padded_copy<Element>(f.first_rows, f.first_columns);
  const auto second = padded_copy<Element>(f.second_rows, f.second_columns);
  const Extents e = extents(a);
  return first.bytes + second.bytes +
         sliced_bytes<T>({e.m, e.n, first.elements, second.elements}, slices.count, epilogue(a),
                         sizeof(Element)) +
         bias_bytes(a);
}

}  // namespace cuelbo::kernels::cuda
