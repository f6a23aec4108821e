#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::BernoulliForward;
using kernels::GaussianDensityBackward;
using kernels::GaussianDensityForward;
using kernels::GaussianLikelihoodForward;
using kernels::ScaleRows;

namespace {

// The forward kernel has left ∂log_likelihood[b]/∂x in `slope`; the chain rule scales its rows.
void record_slope_backward(Gradients& gradients, Tensor x, Tensor slope, Tensor log_likelihood) {
  Program& program = x.program();
  const Tensor dy = gradients.of(log_likelihood);
  const Tensor dx = gradients.target(x);
  const std::int64_t rows = dy.size();
  program.launch({slope, dy}, {dx},
                 [=](const Addresses& at) {
                   return ScaleRows{.rows = rows,
                                    .columns = x.size() / rows,
                                    .x = at.read(slope),
                                    .scale = at.read(dy),
                                    .y = at.write(dx)};
                 },
                 {{slope, dx}});
  gradients.add(x, dx);
}

}  // namespace

Tensor bernoulli_log_likelihood(Tensor logits, Tensor target) {
  require_same_size("bernoulli_log_likelihood", logits, target);
  require_no_gradient("bernoulli_log_likelihood", "target", target);
  Program& program = logits.program();
  const std::int64_t rows = logits.dim(0), pixels = logits.size() / rows;
  const Tensor y = program.tensor("log likelihood", {rows});
  const Tensor slope =
      logits.requires_gradient() ? program.tensor("likelihood slope", logits.shape()) : Tensor{};
  program.launch({logits, target}, {y, slope},
                 [=](const Addresses& at) {
                   return BernoulliForward{.rows = rows,
                                           .pixels = pixels,
                                           .logits = at.read(logits),
                                           .target = at.read(target),
                                           .log_likelihood = at.write(y),
                                           .dlogits = at.write(slope)};
                 },
                 {{logits, slope}});
  program.operation("bernoulli_log_likelihood", {logits}, {y},
                    [=](Gradients& gradients) { record_slope_backward(gradients, logits, slope, y); });
  return y;
}

Tensor gaussian_log_likelihood(Tensor mean, Tensor target, float deviation) {
  require_same_size("gaussian_log_likelihood", mean, target);
  require_no_gradient("gaussian_log_likelihood", "target", target);
  if (!(deviation > 0)) fail("gaussian_log_likelihood: the deviation must be positive, got {}", deviation);
  Program& program = mean.program();
  const std::int64_t rows = mean.dim(0), pixels = mean.size() / rows;
  const Tensor y = program.tensor("log likelihood", {rows});
  const Tensor slope = mean.requires_gradient() ? program.tensor("likelihood slope", mean.shape()) : Tensor{};
  program.launch({mean, target}, {y, slope},
                 [=](const Addresses& at) {
                   return GaussianLikelihoodForward{.rows = rows,
                                                    .pixels = pixels,
                                                    .deviation = deviation,
                                                    .mean = at.read(mean),
                                                    .target = at.read(target),
                                                    .log_likelihood = at.write(y),
                                                    .dmean = at.write(slope)};
                 },
                 {{mean, slope}});
  program.operation("gaussian_log_likelihood", {mean}, {y},
                    [=](Gradients& gradients) { record_slope_backward(gradients, mean, slope, y); });
  return y;
}

Tensor gaussian_log_density(Tensor z, Tensor mean, Tensor logvar) {
  if (bool(mean) != bool(logvar)) fail("gaussian_log_density: give both mean and logvar, or neither");
  if (mean) require_same_size("gaussian_log_density", z, mean);
  if (logvar) require_same_size("gaussian_log_density", z, logvar);
  Program& program = z.program();
  const Tensor y = program.tensor("log density", z.shape());
  program.launch({z, mean, logvar}, {y}, [=](const Addresses& at) {
    return GaussianDensityForward{.count = z.size(),
                                  .z = at.read(z),
                                  .mean = at.read(mean),
                                  .logvar = at.read(logvar),
                                  .log_density = at.write(y)};
  });
  program.operation("gaussian_log_density", {z, mean, logvar}, {y}, [=](Gradients& gradients) {
    Program& p = y.program();
    const auto target = [&](Tensor x) { return gradients.wanted(x) ? gradients.target(x) : Tensor{}; };
    const Tensor dy = gradients.of(y), dz = target(z), dmean = target(mean), dlogvar = target(logvar);
    p.launch({z, mean, logvar, dy}, {dz, dmean, dlogvar}, [=](const Addresses& at) {
      return GaussianDensityBackward{.count = z.size(),
                                     .z = at.read(z),
                                     .mean = at.read(mean),
                                     .logvar = at.read(logvar),
                                     .dlog_density = at.read(dy),
                                     .dz = at.write(dz),
                                     .dmean = at.write(dmean),
                                     .dlogvar = at.write(dlogvar)};
    });
    if (dz) gradients.add(z, dz);
    if (dmean) gradients.add(mean, dmean);
    if (dlogvar) gradients.add(logvar, dlogvar);
  });
  return y;
}

}  // namespace cuelbo
