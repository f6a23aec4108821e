#include "models/validator.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace cuelbo {

namespace {

constexpr std::uint64_t noise_key =
    0x76616c6964617465;  // keeps the noise of validation apart from that of training

}  // namespace

double BatchTerms::elbo() const {
  double sum = log_likelihood;
  for (const double value : terms.values) sum -= value;
  return sum;
}

BatchTerms read_terms(TrainingProgram& step, const Hfvae& model) {
  const std::vector<float> values = step.program.read(step.objective.terms);
  return {
      .log_likelihood = step.program.read_scalar(step.log_likelihood),
      .terms = {
          .terms = &model.terms().terms(), .tree = &model.tree(), .values = {values.begin(), values.end()}}};
}

Validator::Validator(Device& device, ParameterSet& parameters, const Hfvae& model,
                     std::shared_ptr<const Dataset> dataset, const Split& split)
    : model_(&model), dataset_(std::move(dataset)) {
  const RunConfig& config = model.config();
  const std::int64_t items = std::min(std::ssize(split.validation), config.training.validation_items);
  const std::int64_t batch = std::min(config.batch_size, items);
  if (batch < std::min<std::int64_t>(2, config.batch_size)) return;  // nothing to validate with
  items_.assign(split.validation.begin(), split.validation.begin() + items / batch * batch);
  step_ = std::make_unique<TrainingProgram>(device, parameters, model, batch, std::ssize(split.train),
                                            Program::Options{.gradients = false});
}

BatchTerms Validator::run() {
  const RunConfig& config = model_->config();
  Loader loader(dataset_, items_,
                {.batch_size = step_->images.dim(0), .seed = config.seed, .shuffle = false});
  BatchTerms mean;
  const std::int64_t batches = loader.batches_per_epoch();
  for (std::int64_t i = 0; i < batches; ++i) {
    const Batch& batch = loader.next();
    step_->program.write(step_->images, {batch.images, static_cast<std::size_t>(step_->images.size())});
    step_->program.set_step(config.seed ^ noise_key, static_cast<std::uint64_t>(i));
    step_->program.replay();
    const BatchTerms one = read_terms(*step_, *model_);
    if (!std::isfinite(one.elbo())) return one;
    mean.terms.terms = one.terms.terms;
    mean.terms.tree = one.terms.tree;
    mean.terms.values.resize(one.terms.values.size());
    mean.log_likelihood += one.log_likelihood / static_cast<double>(batches);
    for (std::size_t t = 0; t < one.terms.values.size(); ++t)
      mean.terms.values[t] += one.terms.values[t] / static_cast<double>(batches);
  }
  return mean;
}

}  // namespace cuelbo
