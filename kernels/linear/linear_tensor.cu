#include "kernels/linear/linear_tensor.hpp"

#include "kernels/bias/column_sums.cuh"
#include "kernels/linear/linear_bytes.cuh"
#include "kernels/linear/linear_naive.cuh"
#include "kernels/linear/padded_factor.cuh"
#include "kernels/linear/tensor_tile.cuh"

namespace cuelbo::kernels::cuda {

namespace {

template <class T>
using BlockTile = TensorTile<T, 64, 64, 2, 2>;

template <class T, class Args>
Slices slices(const Args& a) {
  const Extents e = extents(a);
  return slices_of<BlockTile<T>>(e.m, e.n, e.k);
}

// The bias gradient beside the weight gradient: fp32 sums of fp32, after the product, whose workspace it takes.
std::size_t bias_workspace(const LinearBackwardWeight& a) { return column_sums_workspace(a.rows, a.out); }
template <class Args>
std::size_t bias_workspace(const Args&) {
  return 0;
}
void launch_bias(const LinearBackwardWeight& a, void* workspace, Stream stream) {
  if (a.dbias != nullptr) column_sums_two_phases(a.rows, a.out, a.dy, a.dbias, workspace, stream);
}
template <class Args>
void launch_bias(const Args&, void*, Stream) {}

// Copies of the factors, then slices or column sums.
template <class T, class Args>
std::size_t workspace(const Args& a) {
  const Extents e = extents(a);
  const FactorSizes f = factor_sizes(a);
  const std::size_t sums = slices_workspace(slices<T>(a), e.m, e.n), bias = bias_workspace(a);
  return padded_bytes<T>(f.first_rows, f.first_columns) + padded_bytes<T>(f.second_rows, f.second_columns) +
         (sums > bias ? sums : bias);
}

template <class T, class Args>
void launch_tensor(const Args& a, Stream stream) {
  const Extents e = extents(a);
  auto* workspace = static_cast<std::byte*>(a.workspace);
  if (has_outputs(e) && !fit_int(e)) {
    launch_linear_naive(a, stream);
  } else if (has_outputs(e)) {
    const FactorSizes f = factor_sizes(a);
    const Factors<float> from = factors(a);
    const auto first = padded_factor<T>(from.first.p, f.first_rows, f.first_columns, workspace, stream);
    const auto second = padded_factor<T>(from.second.p, f.second_rows, f.second_columns, workspace, stream);
    launch_sliced<BlockTile<T>>(product<pack_width<T>>(a, Factors<T>{first, second}), slices<T>(a), workspace,
                                stream);
  }
  launch_bias(a, workspace, stream);
}

template <class T, class Args>
std::int64_t moved_bytes(const Args& a) {
  return tensor_tile_bytes<BlockTile<T>>(a, slices<T>(a));
}

template <class T, class Args>
constexpr Kernel<Args> tensor_kernel{launch_tensor<T, Args>, workspace<T, Args>, moved_bytes<T, Args>};

}  // namespace

template <class Args>
Kernel<Args> linear_tf32() {
  return tensor_kernel<float, Args>;
}
template <class Args>
Kernel<Args> linear_bf16() {
  return tensor_kernel<__nv_bfloat16, Args>;
}

template Kernel<LinearForward> linear_tf32();
template Kernel<LinearForward> linear_bf16();
template Kernel<LinearBackwardData> linear_tf32();
template Kernel<LinearBackwardData> linear_bf16();
template Kernel<LinearBackwardWeight> linear_tf32();
template Kernel<LinearBackwardWeight> linear_bf16();

}  // namespace cuelbo::kernels::cuda
