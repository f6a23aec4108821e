#include <memory>

#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::DensityBlock;
using kernels::ElboDecompositionBackward;
using kernels::ElboDecompositionForward;
using kernels::ElboDecompositionShape;

namespace {

constexpr std::string_view name = "elbo_decomposition";

void check(const ElboDecompositionInputs& in, const ElboDecompositionShape& shape) {
  require_shape(name, "z", in.z, {shape.rows, shape.dims});
  require_shape(name, "mean", in.mean, {shape.columns, shape.dims});
  require_shape(name, "logvar", in.logvar, {shape.columns, shape.dims});
  if (in.own) require_shape(name, "own", in.own, {shape.rows});
  if (!in.own && shape.rows > shape.columns)
    fail("{}: {} rows need an own column each, but there are {} columns: give `own`", name, shape.rows,
         shape.columns);
  std::int64_t classes = 0;
  for (std::int32_t g = 0; g < shape.group_count; ++g) classes += shape.classes[g];
  if (classes > 0) {
    if (!in.row_probabilities || !in.probabilities)
      fail("{}: discrete groups need their probabilities", name);
    require_shape(name, "row_probabilities", in.row_probabilities, {shape.rows, classes});
    require_shape(name, "probabilities", in.probabilities, {shape.columns, classes});
  }
  for (std::int32_t v = 0; v < shape.block_count; ++v) {
    const DensityBlock& b = shape.blocks[v];
    const bool dims_fit = 0 <= b.dim_begin && b.dim_begin <= b.dim_end && b.dim_end <= shape.dims;
    const bool groups_fit =
        0 <= b.group_begin && b.group_begin <= b.group_end && b.group_end <= shape.group_count;
    const bool empty = b.dim_begin == b.dim_end && b.group_begin == b.group_end;
    if (!dims_fit || !groups_fit || empty)
      fail("{}: block {} covers dimensions [{}, {}) and groups [{}, {}) of {} and {}", name, v, b.dim_begin,
           b.dim_end, b.group_begin, b.group_end, shape.dims, shape.group_count);
    if (block_classes(shape, b) > kernels::max_block_classes)
      fail("{}: block {} has {} combinations of classes, at most {} are enumerated", name, v,
           block_classes(shape, b), kernels::max_block_classes);
  }
}

}  // namespace

Tensor elbo_decomposition(const ElboDecompositionInputs& in, std::vector<DensityBlock> blocks,
                          const std::vector<std::int32_t>& classes, MixtureWeights weights) {
  require_axes(name, "z", in.z, 2);
  require_axes(name, "mean", in.mean, 2);
  if (std::ssize(classes) > kernels::max_discrete_groups)
    fail("{}: {} discrete groups, at most {} are possible", name, classes.size(),
         kernels::max_discrete_groups);
  // The launches hold the table: it lives as long as the program.
  const auto table = std::make_shared<const std::vector<DensityBlock>>(std::move(blocks));
  ElboDecompositionShape shape{.rows = in.z.rows(),
                               .columns = in.mean.rows(),
                               .dims = in.z.columns(),
                               .blocks = table->data(),
                               .block_count = static_cast<std::int32_t>(table->size()),
                               .group_count = static_cast<std::int32_t>(classes.size()),
                               .own_weight = weights.own,
                               .next_weight = weights.next,
                               .other_weight = weights.other};
  for (std::size_t g = 0; g < classes.size(); ++g) shape.classes[g] = classes[g];
  check(in, shape);

  Program& program = in.z.program();
  const Tensor log_q = program.tensor("log q", {shape.rows, shape.block_count});
  const std::int64_t saved = saved_columns(shape);
  const Tensor class_sums = saved > 0 ? program.tensor("log class sums", {shape.rows, saved}) : Tensor{};
  program.launch({in.z, in.mean, in.logvar, in.row_probabilities, in.probabilities, in.own},
                 {log_q, class_sums}, [=](const Addresses& at) {
                   static_cast<void>(table);
                   return ElboDecompositionForward{.shape = shape,
                                                   .z = at.read(in.z),
                                                   .mean = at.read(in.mean),
                                                   .logvar = at.read(in.logvar),
                                                   .row_probabilities = at.read(in.row_probabilities),
                                                   .probabilities = at.read(in.probabilities),
                                                   .own = at.read_int(in.own),
                                                   .log_q = at.write(log_q),
                                                   .log_class_sums = at.write(class_sums)};
                 });
  program.operation(
      name, {in.z, in.mean, in.logvar, in.row_probabilities, in.probabilities}, {log_q},
      [=](Gradients& gradients) {
        Program& p = log_q.program();
        const Tensor dlog_q = gradients.of(log_q);
        const Tensor dz = gradients.target(in.z);
        const Tensor dmean = gradients.target(in.mean), dlogvar = gradients.target(in.logvar);
        const auto target = [&](Tensor x) { return x ? gradients.target(x) : Tensor{}; };
        const Tensor drow = target(in.row_probabilities), dprobabilities = target(in.probabilities);
        p.launch({in.z, in.mean, in.logvar, in.row_probabilities, in.probabilities, in.own, log_q, class_sums,
                  dlog_q},
                 {dz, dmean, dlogvar, drow, dprobabilities}, [=](const Addresses& at) {
                   static_cast<void>(table);
                   return ElboDecompositionBackward{.shape = shape,
                                                    .z = at.read(in.z),
                                                    .mean = at.read(in.mean),
                                                    .logvar = at.read(in.logvar),
                                                    .row_probabilities = at.read(in.row_probabilities),
                                                    .probabilities = at.read(in.probabilities),
                                                    .own = at.read_int(in.own),
                                                    .log_q = at.read(log_q),
                                                    .log_class_sums = at.read(class_sums),
                                                    .dlog_q = at.read(dlog_q),
                                                    .dz = at.write(dz),
                                                    .dmean = at.write(dmean),
                                                    .dlogvar = at.write(dlogvar),
                                                    .drow_probabilities = at.write(drow),
                                                    .dprobabilities = at.write(dprobabilities)};
                 });
        gradients.add(in.z, dz);
        gradients.add(in.mean, dmean);
        gradients.add(in.logvar, dlogvar);
        if (drow) gradients.add(in.row_probabilities, drow);
        if (dprobabilities) gradients.add(in.probabilities, dprobabilities);
      });
  return log_q;
}

}  // namespace cuelbo
