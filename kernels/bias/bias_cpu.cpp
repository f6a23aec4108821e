#include "kernels/bias/bias.hpp"
#include "kernels/runtime/thread_pool.hpp"
#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// Few channels would waste lanes: `fold` pixels count as one row of fold · channels columns, whose sums are folded in
// the end. The rows are cut into parts, whose sums are added in order.
struct Plan {
  std::int64_t fold, columns, rows, parts, rows_per_part;
};

Plan make_plan(const BiasBackward& a) {
  Plan plan{};
  plan.fold = larger(1, 4 * lanes / larger(1, a.channels));
  plan.columns = plan.fold * a.channels;
  plan.rows = a.rows / plan.fold;
  plan.parts = larger(1, smaller(32, a.rows * a.channels / 32768));
  plan.rows_per_part = divide_up(plan.rows, plan.parts);
  return plan;
}

// sums[c] = Σ_rows dy[row][c]
void sum_columns_of(const float* dy, std::int64_t rows, std::int64_t columns, float* sums) {
  std::int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) {
    vfloat sum[4] = {};
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sum[v] += load(dy + r * columns + c + v * lanes);
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) store(sums + c + v * lanes, sum[v]);
  }
  for_vectors(c, columns, [&](std::int64_t i, auto n) {
    vfloat sum{};
    for (std::int64_t r = 0; r < rows; ++r) sum += load(dy + r * columns + i, n);
    store(sums + i, sum, n);
  });
}

}  // namespace

std::size_t bias_backward_workspace(const BiasBackward& a) {
  const Plan plan = make_plan(a);
  return static_cast<std::size_t>(plan.parts * plan.columns) * sizeof(float);
}

void launch_bias_backward(const BiasBackward& a, Stream stream) {
  const Plan plan = make_plan(a);
  auto* const sums = static_cast<float*>(a.workspace);
  parallel_for(stream, plan.parts, [&](std::int64_t part) {
    const std::int64_t begin = smaller(plan.rows, part * plan.rows_per_part);
    const std::int64_t end = smaller(plan.rows, begin + plan.rows_per_part);
    sum_columns_of(a.dy + begin * plan.columns, end - begin, plan.columns, sums + part * plan.columns);
  });
  for (std::int64_t c = 0; c < a.channels; ++c) {
    float sum = 0;
    for (std::int64_t row = 0; row < plan.parts * plan.fold; ++row) sum += sums[row * a.channels + c];
    for (std::int64_t row = plan.rows * plan.fold; row < a.rows; ++row) sum += a.dy[row * a.channels + c];
    a.dbias[c] = sum;
  }
}

Kernel<BiasBackward> bias_backward(Precision) { return {launch_bias_backward, bias_backward_workspace}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
