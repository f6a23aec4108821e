#include "kernels/linear/linear.hpp"

#include "kernels/bias/column_sums.cuh"
#include "kernels/linear/gemm_tile.cuh"
#include "kernels/linear/linear_bytes.cuh"
#include "kernels/linear/linear_library.hpp"
#include "kernels/linear/linear_naive.cuh"
#include "kernels/linear/linear_tensor.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// Whether packs of four of both factors are 16 bytes that one access takes.
template <class Args>
bool factors_aligned(const Args& a) {
  const Factors<float> f = factors(a);
  return f.first.stride % 4 == 0 && f.second.stride % 4 == 0 && all_aligned_to_16(f.first.p, f.second.p);
}

// ---- tiled, register_tiled

template <class Args>
void launch_tiled(const Args& a, Stream stream) {
  const Extents e = extents(a);
  if (!has_outputs(e)) return;
  if (!fit_int(e)) return launch_linear_naive(a, stream);
  launch_gemm_shared_tile(product<1>(a, factors(a)), e.m, e.n, 1, stream);
}

using BlockTile = Tile<64, 64, 8, 4>;

Slices slices(const Extents& e) { return slices_of<BlockTile>(e.m, e.n, e.k); }

template <class Args>
std::size_t product_workspace(const Args& a) {
  const Extents e = extents(a);
  return slices_workspace(slices(e), e.m, e.n);
}

template <class Args>
std::int64_t register_tiled_bytes(const Args& a) {
  return register_tile_bytes<BlockTile>(a, slices(extents(a)));
}

template <class Args>
void launch_register_tiled(const Args& a, Stream stream) {
  const Extents e = extents(a);
  if (!has_outputs(e)) return;
  if (!fit_int(e)) return launch_linear_naive(a, stream);
  with_width(factors_aligned(a), [&](auto width) {
    launch_sliced<BlockTile>(product<width()>(a, factors(a)), slices(e), a.workspace, stream);
  });
}

// ---- the weight gradient has the bias gradient beside it

void backward_weight_naive(const LinearBackwardWeight& a, Stream stream) {
  launch_linear_naive(a, stream);
  if (a.dbias != nullptr) column_sums_naive(a.rows, a.out, a.dy, a.dbias, stream);
}

// The two gradients are made one after the other and share the workspace.
void backward_weight_tiled(const LinearBackwardWeight& a, Stream stream) {
  launch_tiled(a, stream);
  if (a.dbias != nullptr) column_sums_two_phases(a.rows, a.out, a.dy, a.dbias, a.workspace, stream);
}
void backward_weight_register_tiled(const LinearBackwardWeight& a, Stream stream) {
  launch_register_tiled(a, stream);
  if (a.dbias != nullptr) column_sums_two_phases(a.rows, a.out, a.dy, a.dbias, a.workspace, stream);
}
std::size_t bias_workspace(const LinearBackwardWeight& a) { return column_sums_workspace(a.rows, a.out); }
std::size_t backward_weight_workspace(const LinearBackwardWeight& a) {
  const std::size_t product = product_workspace(a), bias = bias_workspace(a);
  return product > bias ? product : bias;
}

template <class Args>
Variants<Args> ladder(Kernel<Args> naive, Kernel<Args> tiled, Kernel<Args> register_tiled) {
  static const Variant<Args> own[] = {
      {"naive", "one thread per output", naive},
      {"tiled", "16 x 16 tiles in shared memory, one thread per output: factors are read once for 16 outputs",
       tiled},
      {"register_tiled",
       "64 x 64 x 16 tiles, 8 x 4 outputs per thread: a fifth of the reads of shared memory; few tiles: k in "
       "slices",
       register_tiled},
      {"tensor_tf32",
       "64 x 64 x 16 tiles on tensor cores (mma.sync), 3 stages of cp.async: a quarter of the reads of "
       "shared memory",
       linear_tf32<Args>(), Precision::tf32},
      {"tensor_bf16",
       "the same of copies in bf16, 64 x 64 x 32, read by ldmatrix: half of the bytes and of the reads",
       linear_bf16<Args>(), Precision::bf16}};
  static const auto variants = joined<Args>({own, linear_library<Args>()});
  return variants;
}
template <class Args>
Variants<Args> ladder() {
  return ladder<Args>({launch_linear_naive<Args>, nullptr, naive_bytes<Args>},
                      {launch_tiled<Args>, nullptr, shared_tile_bytes<Args>},
                      {launch_register_tiled<Args>, product_workspace<Args>, register_tiled_bytes<Args>});
}

}  // namespace

Variants<LinearForward> linear_forward_variants() { return ladder<LinearForward>(); }
Variants<LinearBackwardData> linear_backward_data_variants() { return ladder<LinearBackwardData>(); }
Variants<LinearBackwardWeight> linear_backward_weight_variants() {
  using Args = LinearBackwardWeight;
  return ladder<Args>(
      {backward_weight_naive, nullptr, naive_bytes<Args>},
      {backward_weight_tiled, bias_workspace, shared_tile_bytes<Args>},
      {backward_weight_register_tiled, backward_weight_workspace, register_tiled_bytes<Args>});
}

}  // namespace cuelbo::kernels::cuda
