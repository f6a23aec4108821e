// elbo_decomposition through the engine against the double reference.
#include "kernels/elbo_decomposition/elbo_decomposition_reference.hpp"
#include "tests/engine/double_operations.hpp"
#include "tests/engine/gradient_check.hpp"

namespace cuelbo::test {
namespace {

using kernels::DensityBlock;
using kernels::ElboDecompositionShape;

struct Decomposition {
  std::int64_t rows, columns, dims;
  std::vector<DensityBlock> blocks;
  std::vector<std::int32_t> classes;
  MixtureWeights weights;
  std::vector<std::int32_t> own;  // empty: row b is column b
};

// Rows of positive numbers that sum to one in every group.
GradientInput random_probabilities(std::int64_t rows, const std::vector<std::int32_t>& classes,
                                   std::uint64_t seed) {
  std::int64_t width = 0;
  for (const std::int32_t n : classes) width += n;
  GradientInput table{{rows, width}, uniform(rows * width, seed, 0.1F, 1)};
  for (auto p = table.values.begin(); p != table.values.end();)
    for (const std::int32_t n : classes) {
      float sum = 0;
      for (std::int32_t k = 0; k < n; ++k) sum += p[k];
      for (std::int32_t k = 0; k < n; ++k) *p++ /= sum;
    }
  return table;
}

void check(const Decomposition& d) {
  const bool discrete = !d.classes.empty();
  GradientCase gradient{.inputs = {{{d.rows, d.dims}, uniform(d.rows * d.dims, 1, -2, 2)},
                                   {{d.columns, d.dims}, uniform(d.columns * d.dims, 2, -1, 1)},
                                   {{d.columns, d.dims}, uniform(d.columns * d.dims, 3, -1, 0.5F)}},
                        .value_tolerance = 1e-5,
                        .gradient_tolerance = 5e-5};
  if (discrete) {
    gradient.inputs.push_back(random_probabilities(d.rows, d.classes, 4));
    gradient.inputs.push_back(random_probabilities(d.columns, d.classes, 5));
  }
  gradient.record = [&](Program& program, const std::vector<Tensor>& t) {
    ElboDecompositionInputs in{.z = t[0], .mean = t[1], .logvar = t[2]};
    if (discrete) {
      in.row_probabilities = t[3];
      in.probabilities = t[4];
    }
    if (!d.own.empty()) {
      Floats bits;
      for (const std::int32_t column : d.own) bits.push_back(std::bit_cast<float>(column));
      in.own = program.constant("own", {d.rows}, bits);
    }
    return elbo_decomposition(in, d.blocks, d.classes, d.weights);
  };
  gradient.reference = [&](const std::vector<Doubles>& x) {
    ElboDecompositionShape shape{.rows = d.rows,
                                 .columns = d.columns,
                                 .dims = d.dims,
                                 .blocks = d.blocks.data(),
                                 .block_count = static_cast<std::int32_t>(d.blocks.size()),
                                 .group_count = static_cast<std::int32_t>(d.classes.size()),
                                 .own_weight = d.weights.own,
                                 .next_weight = d.weights.next,
                                 .other_weight = d.weights.other};
    std::copy(d.classes.begin(), d.classes.end(), shape.classes);
    Doubles log_q = in_double::zeros(d.rows * shape.block_count);
    kernels::reference::elbo_decomposition_forward<double>(
        shape,
        {.z = x[0].data(),
         .mean = x[1].data(),
         .logvar = x[2].data(),
         .row_probabilities = discrete ? x[3].data() : nullptr,
         .probabilities = discrete ? x[4].data() : nullptr,
         .own = d.own.empty() ? nullptr : d.own.data()},
        log_q.data(), nullptr);
    return log_q;
  };
  check_gradients(gradient);
}

std::vector<DensityBlock> joint_and_dimensions(std::int32_t dims) {
  std::vector<DensityBlock> blocks = {{.dim_begin = 0, .dim_end = dims}};
  for (std::int32_t d = 0; d < dims; ++d) blocks.push_back({.dim_begin = d, .dim_end = d + 1});
  return blocks;
}

TEST(Gradient, ElboDecompositionOfDimensions) {
  struct Size {
    std::int64_t rows;
    std::int32_t dims;
  };
  for (const auto [rows, dims] : {Size{1, 1}, {2, 3}, {7, 5}, {17, 10}, {33, 2}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(dims));
    const double n = static_cast<double>(rows);
    check({.rows = rows,
           .columns = rows,
           .dims = dims,
           .blocks = joint_and_dimensions(dims),
           .weights = {.own = 1 / n, .next = 1 / n, .other = 1 / n}});
    check({.rows = rows,
           .columns = rows,
           .dims = dims,
           .blocks = joint_and_dimensions(dims),
           .weights = {.own = 1e-3, .next = 0.2, .other = 0.799 / n}});
  }
}

TEST(Gradient, ElboDecompositionOfNestedGroups) {
  check({.rows = 13,
         .columns = 13,
         .dims = 6,
         .blocks = {{0, 6}, {0, 4}, {0, 2}, {2, 4}, {4, 6}, {3, 4}},
         .weights = {.own = 0.5, .next = 0.1, .other = 0.05}});
}

TEST(Gradient, ElboDecompositionOfOtherColumns) {
  check({.rows = 5,
         .columns = 11,
         .dims = 3,
         .blocks = joint_and_dimensions(3),
         .weights = {.own = 0.5, .next = 0.25, .other = 0.1},
         .own = {3, 10, 0, 7, 3}});
  check({.rows = 7,
         .columns = 3,
         .dims = 2,
         .blocks = joint_and_dimensions(2),
         .weights = {.own = 0.5, .next = 0.25, .other = 0.1},
         .own = {0, 1, 2, 0, 1, 2, 99}});
}

TEST(Gradient, ElboDecompositionOfDiscreteGroups) {
  check({.rows = 7,
         .columns = 7,
         .dims = 3,
         .blocks = {{0, 3, 0, 2}, {0, 3, 0, 1}, {0, 2, 1, 2}, {0, 0, 0, 1}, {0, 0, 0, 2}, {1, 2, 0, 0}},
         .classes = {3, 4},
         .weights = {.own = 0.3, .next = 0.2, .other = 0.1}});
  check({.rows = 17,
         .columns = 17,
         .dims = 10,
         .blocks = {{0, 10, 0, 1}, {0, 10, 0, 0}, {0, 0, 0, 1}},
         .classes = {10},
         .weights = {.own = 0.1, .next = 0.1, .other = 0.05}});
}

}  // namespace
}  // namespace cuelbo::test
