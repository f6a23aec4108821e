// Samples of the latent variables: the noise is made inside the kernels, from the step and the operation's number.
#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::ConcreteBackward;
using kernels::ConcreteForward;
using kernels::ReparameterizeBackward;
using kernels::ReparameterizeForward;

Tensor reparameterize(Tensor mean, Tensor logvar) {
  require_axes("reparameterize", "mean", mean, 2);
  require_shape("reparameterize", "logvar", logvar, mean.shape());
  Program& program = mean.program();
  const std::int64_t rows = mean.rows(), dims = mean.columns();
  const std::uint32_t noise = program.next_noise_operation();
  const Tensor z = program.tensor("z", mean.shape());
  program.launch({mean, logvar}, {z}, [=](const Addresses& at) {
    return ReparameterizeForward{.rows = rows,
                                 .dims = dims,
                                 .stride = dims,
                                 .mean = at.read(mean),
                                 .logvar = at.read(logvar),
                                 .counter = at.step_counter(),
                                 .operation = noise,
                                 .z = at.write(z)};
  });
  program.operation("reparameterize", {mean, logvar}, {z}, [=](Gradients& gradients) {
    Program& p = z.program();
    const Tensor dz = gradients.of(z);
    const Tensor dmean = gradients.target(mean), dlogvar = gradients.target(logvar);
    p.launch({logvar, dz}, {dmean, dlogvar}, [=](const Addresses& at) {
      return ReparameterizeBackward{.rows = rows,
                                    .dims = dims,
                                    .stride = dims,
                                    .logvar = at.read(logvar),
                                    .counter = at.step_counter(),
                                    .operation = noise,
                                    .dz = at.read(dz),
                                    .dmean = at.write(dmean),
                                    .dlogvar = at.write(dlogvar)};
    });
    gradients.add(mean, dmean);
    gradients.add(logvar, dlogvar);
  });
  return z;
}

Tensor concrete(Tensor logits, float temperature) {
  require_axes("concrete", "logits", logits, 2);
  if (!(temperature > 0)) fail("concrete: the temperature must be positive, got {}", temperature);
  Program& program = logits.program();
  const std::int64_t rows = logits.rows(), classes = logits.columns();
  const std::uint32_t noise = program.next_noise_operation();
  const Tensor y = program.tensor("concrete", logits.shape());
  program.launch({logits}, {y}, [=](const Addresses& at) {
    return ConcreteForward{.rows = rows,
                           .classes = classes,
                           .temperature = temperature,
                           .logits = at.read(logits),
                           .counter = at.step_counter(),
                           .operation = noise,
                           .y = at.write(y)};
  });
  program.operation("concrete", {logits}, {y}, [=](Gradients& gradients) {
    Program& p = y.program();
    const Tensor dy = gradients.of(y), dlogits = gradients.target(logits);
    p.launch({y, dy}, {dlogits},
             [=](const Addresses& at) {
               return ConcreteBackward{.rows = rows,
                                       .classes = classes,
                                       .temperature = temperature,
                                       .y = at.read(y),
                                       .dy = at.read(dy),
                                       .dlogits = at.write(dlogits)};
             },
             {{dy, dlogits}});
    gradients.add(logits, dlogits);
  });
  return y;
}

}  // namespace cuelbo
