// The programs over one model: training, encoding, decoding.
#include "models/programs.hpp"

namespace cuelbo {

namespace {

Shape batch_of(std::int64_t batch, ImageShape image) {
  return {batch, image.height, image.width, image.channels};
}

Tensor batch_mean(Tensor per_item) { return sum(per_item, 1.0F / static_cast<float>(per_item.size())); }

}  // namespace

TrainingProgram::TrainingProgram(Device& device, ParameterSet& parameters, const Hfvae& model,
                                 std::int64_t batch_size, std::int64_t dataset_size, Program::Options options)
    : program(device, parameters, options) {
  const RunConfig& config = model.config();
  images = program.input("images", batch_of(batch_size, model.image()));
  latents = model.encode(program, images, options.gradients);
  const Tensor decoded = model.decode(program, model.code(latents), options.gradients);
  log_likelihood = batch_mean(model.log_likelihood(decoded, images));
  objective =
      record_objective(latents, model.tree(), model.terms(),
                       mixture_weights(parse_estimator(config.objective.estimator), batch_size, dataset_size),
                       coefficients(config.objective, model.tree(), model.terms().terms(), 0));
  loss = add(affine(log_likelihood, -1, 0), objective.penalty);
  for (const Tensor t : {log_likelihood, objective.terms, loss}) program.keep(t);
  if (options.gradients) {
    optimizer.emplace(program, program.gradients(loss), config.adam);
    program.keep(optimizer->gradient_square_sum());
  }
  if (options.mode == Program::Mode::planned) program.plan();
}

EncodeProgram::EncodeProgram(Device& device, ParameterSet& parameters, const Hfvae& model,
                             std::int64_t batch_size, bool constant_parameters)
    : program(device, parameters, {.gradients = false, .constant_parameters = constant_parameters}) {
  images = program.input("images", batch_of(batch_size, model.image()));
  latents = model.encode(program, images, /*training=*/false);
  for (const Tensor t : {latents.mean, latents.logvar, latents.z, latents.logits, latents.relaxed})
    if (t) program.keep(t);
  program.plan();
}

DecodeProgram::DecodeProgram(Device& device, ParameterSet& parameters, const Hfvae& model,
                             std::int64_t batch_size, bool with_likelihood, bool constant_parameters)
    : program(device, parameters, {.gradients = false, .constant_parameters = constant_parameters}) {
  code = program.input("code", {batch_size, model.code_size()});
  const Tensor decoded = model.decode(program, code, /*training=*/false);
  picture = model.picture(decoded);
  program.keep(picture);
  if (with_likelihood) {
    images = program.input("images", batch_of(batch_size, model.image()));
    log_likelihood = model.log_likelihood(decoded, images);
    program.keep(log_likelihood);
  }
  program.plan();
}

}  // namespace cuelbo
