// Activations, softmax and batch normalisation.
#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::ActivationBackward;
using kernels::ActivationForward;
using kernels::BatchNormBackward;
using kernels::BatchNormForward;
using kernels::BatchNormInference;
using kernels::SoftmaxBackward;
using kernels::SoftmaxForward;

Tensor activation_backward(Tensor y, Tensor dy, Activation activation) {
  Program& program = y.program();
  const Tensor dx = program.tensor("d before " + y.name(), y.shape());
  program.launch({y, dy}, {dx},
                 [=](const Addresses& at) {
                   return ActivationBackward{.count = y.size(),
                                             .activation = activation,
                                             .y = at.read(y),
                                             .dy = at.read(dy),
                                             .dx = at.write(dx)};
                 },
                 {{dy, dx}});
  return dx;
}

Tensor activate(Tensor x, Activation activation) {
  Program& program = x.program();
  const Tensor y = program.tensor("activation", x.shape());
  program.launch({x}, {y}, [=](const Addresses& at) {
    return ActivationForward{.count = x.size(), .activation = activation, .x = at.read(x), .y = at.write(y)};
  });
  program.set_activation(y, activation);
  program.operation("activate", {x}, {y},
                    [=](Gradients& gradients) { gradients.add(x, gradients.before_activation(y)); });
  return y;
}

namespace {

Tensor softmax_operation(Tensor logits, bool logarithm) {
  Program& program = logits.program();
  const std::int64_t rows = logits.rows(), classes = logits.columns();
  const Tensor p = program.tensor("softmax", logits.shape());
  const Tensor log_p = logarithm ? program.tensor("log_softmax", logits.shape()) : Tensor{};
  program.launch({logits}, {p, log_p}, [=](const Addresses& at) {
    return SoftmaxForward{.rows = rows,
                          .classes = classes,
                          .logits = at.read(logits),
                          .probabilities = at.write(p),
                          .log_probabilities = at.write(log_p)};
  });
  const Tensor y = logarithm ? log_p : p;
  program.operation("softmax", {logits}, {y}, [=](Gradients& gradients) {
    const Tensor dy = gradients.of(y);
    const Tensor dp = logarithm ? Tensor{} : dy, dlog_p = logarithm ? dy : Tensor{};
    const Tensor dlogits = gradients.target(logits);
    Program& sweep = y.program();
    sweep.launch({p, dy}, {dlogits}, [=](const Addresses& at) {
      return SoftmaxBackward{.rows = rows,
                             .classes = classes,
                             .probabilities = at.read(p),
                             .dprobabilities = at.read(dp),
                             .dlog_probabilities = at.read(dlog_p),
                             .dlogits = at.write(dlogits)};
    });
    gradients.add(logits, dlogits);
  });
  return y;
}

}  // namespace

Tensor softmax(Tensor logits) { return softmax_operation(logits, false); }
Tensor log_softmax(Tensor logits) { return softmax_operation(logits, true); }

Tensor batch_norm(Tensor x, const BatchNormParameters& parameters, bool training, Activation activation) {
  const std::int64_t rows = x.rows(), channels = x.columns();
  const auto [scale, shift, running_mean, running_variance] = parameters;
  for (const Tensor t : {scale, shift, running_mean, running_variance})
    require_shape("batch_norm", "parameter", t, {channels});
  Program& program = x.program();
  const Tensor y = program.tensor("batch_norm", x.shape());
  program.set_activation(y, activation);

  if (!training) {
    program.launch({x, scale, shift, running_mean, running_variance}, {y},
                   [=, scale = scale, shift = shift, mean = running_mean,
                    variance = running_variance](const Addresses& at) {
                     return BatchNormInference{.rows = rows,
                                               .channels = channels,
                                               .x = at.read(x),
                                               .scale = at.read(scale),
                                               .shift = at.read(shift),
                                               .activation = activation,
                                               .running_mean = at.read(mean),
                                               .running_variance = at.read(variance),
                                               .y = at.write(y)};
                   });
    program.operation("batch_norm in inference", {x, scale, shift}, {y}, Program::no_backward);
    return y;
  }

  if (rows < 2)
    fail("batch_norm: '{}' {} has {} row: training needs at least 2", x.name(), to_string(x.shape()), rows);
  const Tensor mean = program.tensor("batch mean", {channels});
  const Tensor inverse_deviation = program.tensor("batch inverse deviation", {channels});
  program.launch({x, scale, shift}, {mean, inverse_deviation, y, running_mean, running_variance},
                 [=, scale = scale, shift = shift, running_mean = running_mean,
                  running_variance = running_variance](const Addresses& at) {
                   return BatchNormForward{.rows = rows,
                                           .channels = channels,
                                           .x = at.read(x),
                                           .scale = at.read(scale),
                                           .shift = at.read(shift),
                                           .activation = activation,
                                           .running_mean = at.write(running_mean),
                                           .running_variance = at.write(running_variance),
                                           .mean = at.write(mean),
                                           .inverse_deviation = at.write(inverse_deviation),
                                           .y = at.write(y)};
                 });
  program.operation("batch_norm", {x, scale, shift}, {y},
                    [=, scale = scale, shift = shift](Gradients& gradients) {
                      Program& p = y.program();
                      const Tensor dy = gradients.before_activation(y);
                      const Tensor dx = gradients.target(x), dscale = gradients.target(scale),
                                   dshift = gradients.target(shift);
                      p.launch({x, scale, mean, inverse_deviation, dy}, {dx, dscale, dshift},
                               [=](const Addresses& at) {
                                 return BatchNormBackward{.rows = rows,
                                                          .channels = channels,
                                                          .x = at.read(x),
                                                          .scale = at.read(scale),
                                                          .mean = at.read(mean),
                                                          .inverse_deviation = at.read(inverse_deviation),
                                                          .dy = at.read(dy),
                                                          .dx = at.write(dx),
                                                          .dscale = at.write(dscale),
                                                          .dshift = at.write(dshift)};
                               },
                               {{dy, dx}});
                      gradients.add(x, dx);
                      gradients.add(scale, dscale);
                      gradients.add(shift, dshift);
                    });
  return y;
}

}  // namespace cuelbo
