#include "kernels/linear/linear.hpp"

#include "kernels/linear/column_sums.cuh"
#include "kernels/linear/gemm_tile.cuh"
#include "kernels/variants.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// Every operation as a product: its outputs, operands and epilogue.
struct Extents {
  std::int64_t m, n, k;
};
Extents extents(const LinearForward& a) { return {a.rows, a.out, a.in}; }
Extents extents(const LinearBackwardData& a) { return {a.rows, a.in, a.out}; }
Extents extents(const LinearBackwardWeight& a) { return {a.out, a.in, a.rows}; }

Epilogue epilogue(const LinearForward& a) { return {.bias = a.bias, .activation = a.activation}; }
Epilogue epilogue(const LinearBackwardData& a) { return {.gradient_activation = a.activation, .saved = a.x}; }
Epilogue epilogue(const LinearBackwardWeight&) { return {}; }

float* output(const LinearForward& a) { return a.y; }
float* output(const LinearBackwardData& a) { return a.dx; }
float* output(const LinearBackwardWeight& a) { return a.dweight; }

// Whether rows of the operands can be loaded in packs of four.
bool operands_aligned(const LinearForward& a) { return a.in % 4 == 0 && all_aligned_to_16(a.x, a.weight); }
bool operands_aligned(const LinearBackwardData& a) {
  return a.in % 4 == 0 && a.out % 4 == 0 && all_aligned_to_16(a.dy, a.weight);
}
bool operands_aligned(const LinearBackwardWeight& a) {
  return a.in % 4 == 0 && a.out % 4 == 0 && all_aligned_to_16(a.dy, a.x);
}

template <bool along_k, int width>
Matrix<along_k, width> matrix(const float* p, std::int64_t outer, std::int64_t depth, std::int64_t stride) {
  return {p, static_cast<int>(outer), static_cast<int>(depth), stride};
}
template <int width>
auto first_operand(const LinearForward& a) {
  return matrix<true, width>(a.x, a.rows, a.in, a.in);
}
template <int width>
auto second_operand(const LinearForward& a) {
  return matrix<true, width>(a.weight, a.out, a.in, a.in);
}
template <int width>
auto first_operand(const LinearBackwardData& a) {
  return matrix<true, width>(a.dy, a.rows, a.out, a.out);
}
template <int width>
auto second_operand(const LinearBackwardData& a) {
  return matrix<false, width>(a.weight, a.in, a.out, a.in);
}
template <int width>
auto first_operand(const LinearBackwardWeight& a) {
  return matrix<false, width>(a.dy, a.out, a.rows, a.out);
}
template <int width>
auto second_operand(const LinearBackwardWeight& a) {
  return matrix<false, width>(a.x, a.in, a.rows, a.in);
}

template <int width, class Args>
auto product(const Args& a) {
  const auto first = first_operand<width>(a);
  const auto second = second_operand<width>(a);
  const auto [m, n, k] = extents(a);
  const int rows = static_cast<int>(m), columns = static_cast<int>(n);
  return Product<std::remove_const_t<decltype(first)>, std::remove_const_t<decltype(second)>>{
      rows,  columns, static_cast<int>(k),
      first, second,  {output(a), rows, columns, packs_fit(output(a), n), epilogue(a)}};
}

bool has_outputs(const Extents& e) { return e.m != 0 && e.n != 0; }
bool fit_int(const Extents& e) { return cuda::fit_int(e.m, e.n, e.k); }

// ---- naive: one thread an output

__device__ float dot(const LinearForward& a, std::int64_t row, std::int64_t out) {
  float sum = 0;
  for (std::int64_t i = 0; i < a.in; ++i) sum += a.x[row * a.in + i] * a.weight[out * a.in + i];
  return sum;
}
__device__ float dot(const LinearBackwardData& a, std::int64_t row, std::int64_t in) {
  float sum = 0;
  for (std::int64_t o = 0; o < a.out; ++o) sum += a.dy[row * a.out + o] * a.weight[o * a.in + in];
  return sum;
}
__device__ float dot(const LinearBackwardWeight& a, std::int64_t out, std::int64_t in) {
  float sum = 0;
  for (std::int64_t r = 0; r < a.rows; ++r) sum += a.dy[r * a.out + out] * a.x[r * a.in + in];
  return sum;
}

template <class Args>
struct OneOutput {
  Args a;
  std::int64_t columns;
  float* y;
  Epilogue epilogue;
  template <int>
  __device__ void at(std::int64_t i) const {
    const std::int64_t row = i / columns, column = i % columns;
    y[i] = epilogue(dot(a, row, column), i, column);
  }
};

template <class Args>
void launch_naive(const Args& a, Stream stream) {
  const Extents e = extents(a);
  launch_for_each_element<1>(e.m * e.n, OneOutput<Args>{a, e.n, output(a), epilogue(a)}, stream);
}

// ---- tiled, register_tiled

template <class Args>
void launch_tiled(const Args& a, Stream stream) {
  const Extents e = extents(a);
  if (!has_outputs(e)) return;
  if (!fit_int(e)) return launch_naive(a, stream);
  launch_gemm_shared_tile(product<1>(a), e.m, e.n, 1, stream);
}

using BlockTile = Tile<64, 64, 8, 4>;

Slices slices(const Extents& e) { return slices_of<BlockTile>(e.m, e.n, e.k); }

template <class Args>
std::size_t product_workspace(const Args& a) {
  const Extents e = extents(a);
  return slices_workspace(slices(e), e.m, e.n);
}

template <class Args>
void launch_register_tiled(const Args& a, Stream stream) {
  const Extents e = extents(a);
  if (!has_outputs(e)) return;
  if (!fit_int(e)) return launch_naive(a, stream);
  with_width(operands_aligned(a), [&](auto width) {
    launch_sliced_gemm<BlockTile>(product<width()>(a), slices(e), a.workspace, stream);
  });
}

// ---- the weight gradient has the bias gradient beside it

void backward_weight_naive(const LinearBackwardWeight& a, Stream stream) {
  launch_naive(a, stream);
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

constexpr const char
    *naive = "one thread an output",
    *tiled = "16 x 16 tiles in shared memory, one thread an output",
    *register_tiled = "64 x 64 x 16 tiles, 8 x 4 outputs a thread, double-buffered; few tiles: k in slices";

template <class Args>
constexpr Variant<Args> ladder[] = {
    {"naive", naive, {launch_naive<Args>}},
    {"tiled", tiled, {launch_tiled<Args>}},
    {"register_tiled", register_tiled, {launch_register_tiled<Args>, product_workspace<Args>}}};

}  // namespace

Variants<LinearForward> linear_forward_variants() { return ladder<LinearForward>; }
Variants<LinearBackwardData> linear_backward_data_variants() { return ladder<LinearBackwardData>; }
Variants<LinearBackwardWeight> linear_backward_weight_variants() {
  static constexpr Variant<LinearBackwardWeight> variants[] = {
      {"naive", naive, {backward_weight_naive}},
      {"tiled", tiled, {backward_weight_tiled, bias_workspace}},
      {"register_tiled", register_tiled, {backward_weight_register_tiled, backward_weight_workspace}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
