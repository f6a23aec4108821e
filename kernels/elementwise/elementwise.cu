#include "kernels/elementwise/elementwise.hpp"

#include "kernels/elementwise/elementwise_library.hpp"
#include "kernels/runtime/elementwise.cuh"
#include "kernels/runtime/matrix.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

struct Sum {
  __device__ float operator()(const float* v) const { return v[0] + v[1]; }
};
struct Product {
  __device__ float operator()(const float* v) const { return v[0] * v[1]; }
};
struct Line {
  float factor, offset;
  __device__ float operator()(const float* v) const { return factor * v[0] + offset; }
};
struct Exponential {
  __device__ float operator()(const float* v) const { return expf(v[0]); }
};
struct Constant {
  float value;
  __device__ float operator()(const float*) const { return value; }
};

ElementwiseOperands<Sum, 2> operands(const Add& a) {
  return {.count = a.count, .x = {a.a, a.b}, .y = a.y, .f = {}};
}
ElementwiseOperands<Product, 2> operands(const Multiply& a) {
  return {.count = a.count, .x = {a.a, a.b}, .y = a.y, .f = {}};
}
ElementwiseOperands<Line, 1> operands(const Affine& a) {
  return {.count = a.count, .x = {a.x}, .y = a.y, .f = {a.factor, a.offset}};
}
ElementwiseOperands<Exponential, 1> operands(const Exp& a) {
  return {.count = a.count, .x = {a.x}, .y = a.y, .f = {}};
}
ElementwiseOperands<Constant, 0> operands(const Fill& a) {
  return {.count = a.count, .y = a.y, .f = {a.value}};
}

struct ScaleRowsAt {
  ScaleRows a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    const float scale = a.scale[r];
    Pack<width> x = load<width>(a.x + r * a.columns + c);
#pragma unroll
    for (int k = 0; k < width; ++k) x[k] *= scale;
    store(a.y + r * a.columns + c, x);
  }
};
struct CopyColumnsAt {
  CopyColumns a;
  template <int width>
  __device__ void at(std::int64_t r, std::int64_t c) const {
    store(a.y + r * a.y_stride + c, load<width>(a.x + r * a.x_stride + c));
  }
};

ScaleRowsAt at(const ScaleRows& a) { return {a}; }
CopyColumnsAt at(const CopyColumns& a) { return {a}; }

bool aligned(const ScaleRows& a) { return all_aligned_to_16(a.x, a.y); }
bool aligned(const CopyColumns& a) {
  return all_aligned_to_16(a.x, a.y) && a.x_stride % 4 == 0 && a.y_stride % 4 == 0;
}

template <class Args>
void scalar(const Args& a, Stream stream) {
  launch_elementwise_scalar(operands(a), stream);
}
template <class Args>
void float4_(const Args& a, Stream stream) {
  launch_elementwise_float4(operands(a), stream);
}
template <class Args>
constexpr Variant<Args> elementwise_ladder[] = {
    {"scalar", "one thread per element", {scalar<Args>}},
    {"float4", "four elements per thread, 16-byte loads and stores", {float4_<Args>}}};

template <class Args>
void matrix_scalar(const Args& a, Stream stream) {
  launch_flat_elements(a.rows, a.columns, at(a), stream);
}
template <class Args>
void matrix_float4(const Args& a, Stream stream) {
  launch_matrix_elements(a.rows, a.columns, aligned(a), at(a), stream);
}
template <class Args>
constexpr Variant<Args> matrix_ladder[] = {
    {"scalar", "one thread per element, its row by a division", {matrix_scalar<Args>}},
    {"float4", "blocks of rows and columns, 16-byte loads and stores", {matrix_float4<Args>}}};

}  // namespace

Variants<Add> add_variants() {
  static const auto all = joined<Add>({elementwise_ladder<Add>, add_library_variants()});
  return all;
}
Variants<Multiply> multiply_variants() { return elementwise_ladder<Multiply>; }
Variants<Affine> affine_variants() { return elementwise_ladder<Affine>; }
Variants<Exp> exp_variants() {
  static const auto all = joined<Exp>({elementwise_ladder<Exp>, exp_library_variants()});
  return all;
}
Variants<ScaleRows> scale_rows_variants() { return matrix_ladder<ScaleRows>; }
Variants<Fill> fill_variants() { return elementwise_ladder<Fill>; }
Variants<CopyColumns> copy_columns_variants() { return matrix_ladder<CopyColumns>; }

}  // namespace cuelbo::kernels::cuda
