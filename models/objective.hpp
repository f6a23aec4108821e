// The HFVAE objective (Esmaeili et al. 2018, arXiv 1804.02086) as linear combinations of mean log-densities.
//
//   mutual_information   E[ log q(z|x) − log q(z) ]
//   TC of an inner node  E[ log q(z^v) − Σ_c log q(z^c) ] over its children c, less the same of p
//   TC of a leaf group   E[ log q(z^g) − Σ_d log q(z^g_d) ], less the same of p; of a discrete group 0
//   dimension_kl         E[ log q(z_d) − log p(z_d) ], of a Gaussian dimension or a discrete group
//
// The part of p in a TC vanishes for a factorised prior and is left out then. All in nats per item.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/operations.hpp"
#include "models/config.hpp"
#include "models/group_tree.hpp"
#include "models/prior.hpp"

namespace cuelbo {

enum class Estimator { hfvae, mws, mss, batch, exact };
Estimator parse_estimator(const std::string& name);  // UsageError naming the known ones
std::string to_string(Estimator estimator);

// Weights of the mixture for `columns` components out of a data set of `dataset_size` items.
// UsageError: hfvae, mws and mss need columns ≥ 2 and dataset_size ≥ columns; exact needs columns = dataset_size.
MixtureWeights mixture_weights(Estimator estimator, std::int64_t columns, std::int64_t dataset_size);

// One KL term of the objective.
struct ObjectiveTerm {
  enum class Kind { mutual_information, between_group_tc, within_group_tc, dimension_kl };
  Kind kind = Kind::mutual_information;
  std::string name;  // "mutual_information", "between_group_tc", "within_group_tc/form", "dimension_kl/3", …
  int node = -1;     // of a TC or of a discrete group's dimension_kl
  int dim = -1;      // tree dimension of a Gaussian dimension_kl
};

// The terms of a group tree, and how each follows from the means of the log-densities. The means are, in this order:
//   log q̂ of every block (GroupTree::blocks), log q(z|x), log p of every block in prior_blocks()
// with E_q over the classes of a discrete group in closed form.
class ObjectiveTerms {
 public:
  // correlated_prior: TC terms have their part of p, so log p of all blocks is needed, not only of single dimensions.
  explicit ObjectiveTerms(const GroupTree& tree, bool correlated_prior = false);

  const std::vector<int>& prior_blocks() const { return prior_blocks_; }
  const std::vector<ObjectiveTerm>& terms() const { return terms_; }
  std::int64_t mean_count() const { return mean_count_; }
  const std::vector<float>& matrix() const { return matrix_; }  // (terms, mean_count): terms = matrix · means
  std::vector<double> evaluate(const std::vector<double>& means) const;

 private:
  std::vector<ObjectiveTerm> terms_;
  std::vector<int> prior_blocks_;
  std::int64_t mean_count_ = 0;
  std::vector<float> matrix_;
};

// Sums of the terms by kind, as they are logged and printed.
struct TermSummary {
  double mutual_information = 0, between_group_tc = 0, within_group_tc = 0, dimension_kl = 0;
  double kl() const { return mutual_information + between_group_tc + within_group_tc + dimension_kl; }
};
TermSummary summarize(const std::vector<ObjectiveTerm>& terms, const std::vector<double>& values);

// The coefficient of every term at a step; between_group_tc applies to inner nodes, within_group_tc to leaves, group_tc to
// the named ones. UsageError: group_tc names no node.
std::vector<float> coefficients(const ObjectiveConfig& config, const GroupTree& tree,
                                const std::vector<ObjectiveTerm>& terms, std::int64_t step);

// The latent variables of a batch, all with dims in tree order.
struct LatentTensors {
  Tensor mean, logvar, z;  // (B, D); absent when there is no Gaussian dimension
  Tensor logits, probabilities,
      relaxed;               // (B, Σ classes), discrete groups side by side; absent when there is none
  Tensor log_probabilities;  // (B, Σ classes)
};

// Records log-densities, terms and their weighted sum Σ_t coefficient_t · term_t. `terms` must be made for a correlated
// prior exactly when `prior` is one.
struct ObjectiveTensors {
  Tensor terms;         // (T)
  Tensor coefficients;  // (T), step values
  Tensor penalty;       // (1)
};
ObjectiveTensors record_objective(const LatentTensors& latents, const GroupTree& tree,
                                  const ObjectiveTerms& terms, MixtureWeights weights,
                                  const std::vector<float>& coefficients, const GaussianPrior& prior = {});

}  // namespace cuelbo
