#include "kernels/elementwise/elementwise.hpp"

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

void launch_add(const Add& args, Stream stream) {
  const float *a = args.a, *b = args.b;
  float* y = args.y;
  parallel_vectors(stream, args.count,
                   [=](std::int64_t i, auto n) { store(y + i, load(a + i, n) + load(b + i, n), n); });
}

void launch_multiply(const Multiply& args, Stream stream) {
  const float *a = args.a, *b = args.b;
  float* y = args.y;
  parallel_vectors(stream, args.count,
                   [=](std::int64_t i, auto n) { store(y + i, load(a + i, n) * load(b + i, n), n); });
}

void launch_affine(const Affine& args, Stream stream) {
  const float* x = args.x;
  float* y = args.y;
  const vfloat factor = broadcast(args.factor), offset = broadcast(args.offset);
  parallel_vectors(stream, args.count,
                   [=](std::int64_t i, auto n) { store(y + i, fma(factor, load(x + i, n), offset), n); });
}

void launch_exp(const Exp& args, Stream stream) {
  const float* x = args.x;
  float* y = args.y;
  parallel_vectors(stream, args.count, [=](std::int64_t i, auto n) { store(y + i, exp(load(x + i, n)), n); });
}

void launch_scale_rows(const ScaleRows& args, Stream stream) {
  parallel_rows(stream, args.rows, args.columns, [&](std::int64_t row) {
    const vfloat scale = broadcast(args.scale[row]);
    const float* x = args.x + row * args.columns;
    float* y = args.y + row * args.columns;
    for_vectors(0, args.columns, [=](std::int64_t i, auto n) { store(y + i, scale * load(x + i, n), n); });
  });
}

void launch_fill(const Fill& args, Stream stream) {
  float* y = args.y;
  const vfloat value = broadcast(args.value);
  parallel_vectors(stream, args.count, [=](std::int64_t i, auto n) { store(y + i, value, n); });
}

void launch_copy_columns(const CopyColumns& args, Stream stream) {
  parallel_rows(stream, args.rows, args.columns, [&](std::int64_t row) {
    const float* x = args.x + row * args.x_stride;
    float* y = args.y + row * args.y_stride;
    for_vectors(0, args.columns, [=](std::int64_t i, auto n) { store(y + i, load(x + i, n), n); });
  });
}

Kernel<Add> add(Precision) { return {launch_add}; }
Kernel<Multiply> multiply(Precision) { return {launch_multiply}; }
Kernel<Affine> affine(Precision) { return {launch_affine}; }
Kernel<Exp> exp(Precision) { return {launch_exp}; }
Kernel<ScaleRows> scale_rows(Precision) { return {launch_scale_rows}; }
Kernel<Fill> fill(Precision) { return {launch_fill}; }
Kernel<CopyColumns> copy_columns(Precision) { return {launch_copy_columns}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
