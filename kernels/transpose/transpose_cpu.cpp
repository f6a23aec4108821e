#include "kernels/transpose/transpose.hpp"

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

namespace {

// A square tile of x and that of y fit the first cache together, so every line of either is moved once.
constexpr std::int64_t tile = 32;

void launch_transpose(const Transpose& args, Stream stream) {
  const std::int64_t rows = args.rows, columns = args.columns;
  const std::int64_t bands = divide_up(columns, tile);
  parallel_for(stream, args.batch * bands, [&](std::int64_t task) {
    const float* x = args.x + task / bands * rows * columns;
    float* y = args.y + task / bands * rows * columns;
    const std::int64_t begin = task % bands * tile, end = smaller(begin + tile, columns);
    for (std::int64_t first = 0; first < rows; first += tile) {
      const std::int64_t last = smaller(first + tile, rows);
      for (std::int64_t c = begin; c < end; ++c)
        for (std::int64_t r = first; r < last; ++r) y[c * rows + r] = x[r * columns + c];
    }
  });
}

}  // namespace

Kernel<Transpose> transpose(Precision) { return {launch_transpose}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
