// ELBO terms of training batches and of the validation split.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/data/loader.hpp"
#include "models/data/split.hpp"
#include "models/programs.hpp"
#include "models/training_log.hpp"

namespace cuelbo {

// ELBO terms of a batch, read from a program after its replay.
struct BatchTerms {
  double log_likelihood = 0;
  TermValues terms;

  double elbo() const;
};

BatchTerms read_terms(TrainingProgram& step, const Hfvae& model);

// Means of the ELBO terms over a fixed part of the validation split, with fixed noise.
class Validator {
 public:
  Validator(Device& device, ParameterSet& parameters, const Hfvae& model,
            std::shared_ptr<const Dataset> dataset, const Split& split);

  bool has_items() const { return step_ != nullptr; }
  std::int64_t items() const { return std::ssize(items_); }
  Program& program() { return step_->program; }

  BatchTerms run();  // of the first batch whose terms are not finite, if there is one: the program keeps it

 private:
  const Hfvae* model_;
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> items_;
  std::unique_ptr<TrainingProgram> step_;
};

}  // namespace cuelbo
