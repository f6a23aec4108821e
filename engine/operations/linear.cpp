#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::LinearBackwardData;
using kernels::LinearBackwardWeight;
using kernels::LinearForward;

Tensor linear(Tensor x, Tensor weight, Tensor bias, Activation activation) {
  require_axes("linear", "weight", weight, 2);
  const std::int64_t rows = x.rows(), in = x.columns(), out = weight.dim(0);
  require_shape("linear", "weight", weight, {out, in});
  if (bias) require_shape("linear", "bias", bias, {out});

  Program& program = x.program();
  const Tensor y = program.tensor("linear", {rows, out});
  program.launch(
      {x, weight, bias}, {y},
      [=](const Addresses& at) {
        return LinearForward{.rows = rows,
                             .in = in,
                             .out = out,
                             .x = at.read(x),
                             .weight = at.read(weight),
                             .bias = at.read(bias),
                             .activation = activation,
                             .y = at.write(y)};
      },
      {}, weight);
  program.set_activation(y, activation);

  program.operation("linear", {x, weight, bias}, {y}, [=](Gradients& gradients) {
    Program& p = y.program();
    const Tensor dy = gradients.before_activation(y);
    if (gradients.wanted(weight) || gradients.wanted(bias)) {
      const Tensor dweight = gradients.target(weight);
      const Tensor dbias = bias ? gradients.target(bias) : Tensor{};
      p.launch({x, dy}, {dweight, dbias}, [=](const Addresses& at) {
        return LinearBackwardWeight{.rows = rows,
                                    .in = in,
                                    .out = out,
                                    .x = at.read(x),
                                    .dy = at.read(dy),
                                    .dweight = at.write(dweight),
                                    .dbias = at.write(dbias)};
      });
      gradients.add(weight, dweight);
      if (bias) gradients.add(bias, dbias);
    }
    if (gradients.wanted(x)) {
      const Activation fused = gradients.fuse_activation(x);
      const Tensor saved = fused == Activation::identity ? Tensor{} : x;
      const Tensor dx = gradients.target(x);
      p.launch({dy, weight, saved}, {dx}, [=](const Addresses& at) {
        return LinearBackwardData{.rows = rows,
                                  .in = in,
                                  .out = out,
                                  .dy = at.read(dy),
                                  .weight = at.read(weight),
                                  .activation = fused,
                                  .x = at.read(saved),
                                  .dx = at.write(dx)};
      });
      gradients.add(x, dx);
    }
  });
  return y;
}

}  // namespace cuelbo
