#include "kernels/reduce/reduce.hpp"

#include "kernels/reduce/column_sums.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

namespace {

std::size_t range_sums_workspace(std::int64_t count) {
  return sizeof(double) * static_cast<std::size_t>(divide_up(count, task_elements));
}

// Σ of the terms f(i, n) over [0, count), in parallel.
template <class F>
CUELBO_INLINE double sum_ranges(Stream stream, std::int64_t count, void* workspace, F&& f) {
  double* partial = static_cast<double*>(workspace);
  parallel_ranges(stream, count, task_elements, [&](std::int64_t begin, std::int64_t end) {
    partial[begin / task_elements] = sum_vectors(begin, end, f);
  });
  double total = 0;
  for (std::int64_t i = 0; i < divide_up(count, task_elements); ++i) total += partial[i];
  return total;
}

}  // namespace

std::size_t sum_rows_workspace(const SumRows& args) {
  if (args.columns == 1) return range_sums_workspace(args.rows);
  return sizeof(float) * static_cast<std::size_t>(row_chunks(args.rows) * args.columns);
}

void launch_sum_rows(const SumRows& args, Stream stream) {
  const float* x = args.x;
  const std::int64_t columns = args.columns;
  const double factor = static_cast<double>(args.factor);
  if (columns == 1) {
    const double sum =
        sum_ranges(stream, args.rows, args.workspace, [=](std::int64_t i, auto n) { return load(x + i, n); });
    *args.y = static_cast<float>(factor * sum);
    return;
  }
  float* partial = static_cast<float*>(args.workspace);
  parallel_chunks(stream, args.rows, columns, [=](const Chunk& chunk) {
    sum_columns_of<1>(
        chunk,
        [=](ColumnSums<1>& sums, std::int64_t r, std::int64_t c, auto n) {
          sums.value[0] += load(x + r * columns + c, n);
        },
        [=](const ColumnSums<1>& sums, std::int64_t c, auto n) {
          store(partial + chunk.index * columns + c, sums.value[0], n);
        });
  });
  const std::int64_t chunks = row_chunks(args.rows);
  for (std::int64_t c = 0; c < columns; ++c) {
    args.y[c] = static_cast<float>(factor * total_of_chunks(partial, chunks, columns, c));
  }
}

void launch_broadcast_rows(const BroadcastRows& args, Stream stream) {
  const vfloat factor = broadcast(args.factor);
  parallel_rows(stream, args.rows, args.columns, [&](std::int64_t row) {
    const float* dy = args.dy;
    float* dx = args.dx + row * args.columns;
    for_vectors(0, args.columns, [=](std::int64_t i, auto n) { store(dx + i, factor * load(dy + i, n), n); });
  });
}

void launch_sum_columns(const SumColumns& args, Stream stream) {
  const double factor = static_cast<double>(args.factor);
  parallel_rows(stream, args.rows, args.columns, [&](std::int64_t row) {
    const float* x = args.x + row * args.columns;
    const double sum = sum_vectors(0, args.columns, [=](std::int64_t i, auto n) { return load(x + i, n); });
    args.y[row] = static_cast<float>(factor * sum);
  });
}

void launch_broadcast_columns(const BroadcastColumns& args, Stream stream) {
  parallel_rows(stream, args.rows, args.columns, [&](std::int64_t row) {
    const vfloat value = broadcast(args.factor * args.dy[row]);
    float* dx = args.dx + row * args.columns;
    for_vectors(0, args.columns, [=](std::int64_t i, auto n) { store(dx + i, value, n); });
  });
}

std::size_t sum_of_squares_workspace(const SumOfSquares& args) { return range_sums_workspace(args.count); }

void launch_sum_of_squares(const SumOfSquares& args, Stream stream) {
  const float* x = args.x;
  const double sum = sum_ranges(stream, args.count, args.workspace, [=](std::int64_t i, auto n) {
    const vfloat value = load(x + i, n);
    return value * value;
  });
  *args.y = static_cast<float>(sum);
}

Kernel<SumRows> sum_rows(Precision) { return {launch_sum_rows, sum_rows_workspace}; }
Kernel<BroadcastRows> broadcast_rows(Precision) { return {launch_broadcast_rows}; }
Kernel<SumColumns> sum_columns(Precision) { return {launch_sum_columns}; }
Kernel<BroadcastColumns> broadcast_columns(Precision) { return {launch_broadcast_columns}; }
Kernel<SumOfSquares> sum_of_squares(Precision) { return {launch_sum_of_squares, sum_of_squares_workspace}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
