#include "models/objective.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/ranges.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo {

namespace {

constexpr std::array<std::pair<const char*, Estimator>, 5> estimators{{{"hfvae", Estimator::hfvae},
                                                                       {"mws", Estimator::mws},
                                                                       {"mss", Estimator::mss},
                                                                       {"batch", Estimator::batch},
                                                                       {"exact", Estimator::exact}}};

using Kind = ObjectiveTerm::Kind;

}  // namespace

Estimator parse_estimator(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [known, estimator] : estimators) {
    if (name == known) return estimator;
    names.emplace_back(known);
  }
  usage_fail("there is no estimator '{}': use {}{}", name, fmt::join(names, ", "), did_you_mean(name, names));
}

std::string to_string(Estimator estimator) {
  for (const auto& [name, known] : estimators)
    if (known == estimator) return name;
  return "?";
}

MixtureWeights mixture_weights(Estimator estimator, std::int64_t columns, std::int64_t dataset_size) {
  const auto b = static_cast<double>(columns), n = static_cast<double>(dataset_size), m = b - 1;
  if (columns < 1) usage_fail("estimator {}: there are no items", to_string(estimator));
  const bool minibatch =
      estimator == Estimator::hfvae || estimator == Estimator::mws || estimator == Estimator::mss;
  if (minibatch && columns < 2)
    usage_fail("estimator {} needs at least 2 items in a batch, got {}: 'batch' allows 1",
               to_string(estimator), columns);
  if (minibatch && dataset_size < columns)
    usage_fail(
        "estimator {} needs a data set at least as large as the batch: dataset size {} < batch size {}",
        to_string(estimator), dataset_size, columns);
  switch (estimator) {
    case Estimator::hfvae: return {.own = 1 / n, .next = (n - 1) / (n * m), .other = (n - 1) / (n * m)};
    case Estimator::mws: return {.own = 1 / (n * b), .next = 1 / (n * b), .other = 1 / (n * b)};
    case Estimator::mss: return {.own = 1 / n, .next = (n - m) / (n * m), .other = 1 / m};
    case Estimator::batch: return {.own = 1 / b, .next = 1 / b, .other = 1 / b};
    case Estimator::exact:
      if (columns != dataset_size)
        usage_fail("estimator exact takes the codes as the whole data set: {} items, but dataset size {}",
                   columns, dataset_size);
      return {.own = 1 / n, .next = 1 / n, .other = 1 / n};
  }
  fail("no such estimator");
}

ObjectiveTerms::ObjectiveTerms(const GroupTree& tree, bool correlated_prior) {
  const int dims = static_cast<int>(tree.dims().size());
  const int blocks = static_cast<int>(tree.blocks().size());
  const auto& nodes = tree.nodes();
  if (correlated_prior) {
    for (int block = 0; block < blocks; ++block) prior_blocks_.push_back(block);
  } else {
    for (int d = 0; d < dims; ++d) prior_blocks_.push_back(tree.block_of_dim(d));
    for (int v = 0; v < std::ssize(nodes); ++v)
      if (nodes[static_cast<std::size_t>(v)].is_discrete_leaf())
        prior_blocks_.push_back(tree.block_of_node(v));
  }
  const int given_x = blocks;  // column of log q(z|x)
  mean_count_ = blocks + 1 + std::ssize(prior_blocks_);

  // A term is a signed sum of log q̂ − log p over blocks; `with_prior` says whether its log p is there.
  float* row = nullptr;
  const auto begin_term = [&](ObjectiveTerm term) {
    terms_.push_back(std::move(term));
    matrix_.resize(matrix_.size() + static_cast<std::size_t>(mean_count_), 0.0F);
    row = matrix_.data() + matrix_.size() - static_cast<std::size_t>(mean_count_);
  };
  const auto add_block = [&](int block, float sign, bool with_prior) {
    row[block] += sign;
    if (!with_prior) return;
    const auto place = std::find(prior_blocks_.begin(), prior_blocks_.end(), block);
    row[given_x + 1 + (place - prior_blocks_.begin())] -= sign;
  };

  begin_term({.kind = Kind::mutual_information, .name = "mutual_information"});
  row[given_x] += 1.0F;
  add_block(tree.block_of_node(0), -1.0F, false);
  for (int v = 0; v < std::ssize(nodes); ++v) {
    const GroupNode& node = nodes[static_cast<std::size_t>(v)];
    if (node.is_leaf()) continue;
    begin_term({.kind = Kind::between_group_tc,
                .name = v == 0 ? "between_group_tc" : "between_group_tc/" + node.name,
                .node = v});
    add_block(tree.block_of_node(v), 1.0F, correlated_prior);
    for (const int child : node.children) add_block(tree.block_of_node(child), -1.0F, correlated_prior);
  }
  for (int v = 0; v < std::ssize(nodes); ++v) {
    const GroupNode& node = nodes[static_cast<std::size_t>(v)];
    if (!node.is_leaf()) continue;
    begin_term({.kind = Kind::within_group_tc, .name = "within_group_tc/" + node.name, .node = v});
    if (node.is_discrete_leaf()) continue;  // one event
    add_block(tree.block_of_node(v), 1.0F, correlated_prior);
    for (int d = node.block.dim_begin; d < node.block.dim_end; ++d)
      add_block(tree.block_of_dim(d), -1.0F, correlated_prior);
  }
  // By column of the codes, so that the list does not depend on how the tree orders them.
  std::vector<int> by_column(static_cast<std::size_t>(dims));
  for (int d = 0; d < dims; ++d) by_column[static_cast<std::size_t>(d)] = d;
  std::sort(by_column.begin(), by_column.end(), [&](int a, int b) {
    return tree.dims()[static_cast<std::size_t>(a)] < tree.dims()[static_cast<std::size_t>(b)];
  });
  for (const int d : by_column) {
    begin_term({.kind = Kind::dimension_kl,
                .name = fmt::format("dimension_kl/{}", tree.dims()[static_cast<std::size_t>(d)]),
                .dim = d});
    add_block(tree.block_of_dim(d), 1.0F, true);
  }
  for (int v = 0; v < std::ssize(nodes); ++v) {
    const GroupNode& node = nodes[static_cast<std::size_t>(v)];
    if (!node.is_discrete_leaf()) continue;
    begin_term({.kind = Kind::dimension_kl, .name = "dimension_kl/" + node.name, .node = v});
    add_block(tree.block_of_node(v), 1.0F, true);
  }
}

std::vector<double> ObjectiveTerms::evaluate(const std::vector<double>& means) const {
  std::vector<double> values;
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    double value = 0;
    for (std::size_t i = 0; i < means.size(); ++i)
      value += static_cast<double>(matrix_[t * means.size() + i]) * means[i];
    values.push_back(value);
  }
  return values;
}

TermSummary summarize(const std::vector<ObjectiveTerm>& terms, const std::vector<double>& values) {
  TermSummary summary;
  for (std::size_t t = 0; t < terms.size(); ++t) switch (terms[t].kind) {
      case Kind::mutual_information: summary.mutual_information += values[t]; break;
      case Kind::between_group_tc: summary.between_group_tc += values[t]; break;
      case Kind::within_group_tc: summary.within_group_tc += values[t]; break;
      case Kind::dimension_kl: summary.dimension_kl += values[t]; break;
    }
  return summary;
}

std::vector<float> coefficients(const ObjectiveConfig& config, const GroupTree& tree,
                                const std::vector<ObjectiveTerm>& terms, std::int64_t step) {
  for (const auto& [name, schedule] : config.group_tc) {
    std::vector<std::string> names;
    for (const GroupNode& node : tree.nodes()) names.push_back(node.name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      usage_fail("objective.group_tc.{}: no group has that name{}", name, did_you_mean(name, names));
  }
  std::vector<float> result;
  for (const ObjectiveTerm& term : terms) {
    const auto named = term.node < 0
                           ? config.group_tc.end()
                           : config.group_tc.find(tree.nodes()[static_cast<std::size_t>(term.node)].name);
    const bool is_tc = term.kind == Kind::between_group_tc || term.kind == Kind::within_group_tc;
    const Schedule* schedule = nullptr;
    switch (term.kind) {
      case Kind::mutual_information: schedule = &config.mutual_information; break;
      case Kind::between_group_tc: schedule = &config.between_group_tc; break;
      case Kind::within_group_tc: schedule = &config.within_group_tc; break;
      case Kind::dimension_kl: schedule = &config.dimension_kl; break;
    }
    if (is_tc && named != config.group_tc.end()) schedule = &named->second;
    result.push_back(config.preset == "vae" ? 1.0F : static_cast<float>(schedule->at(step)));
  }
  return result;
}

namespace {

// log p of a block without its discrete groups, item by item or summed later: anything whose sum over the batch counts.
Tensor block_log_prior(Tensor z, const kernels::DensityBlock& block, const GaussianPrior& prior) {
  const std::int64_t dims = block.dim_end - block.dim_begin;
  const Tensor part = slice_columns(z, block.dim_begin, dims);
  const GaussianPrior::Whitening whitening = prior.whitening(block.dim_begin, block.dim_end);
  const Tensor matrix = z.program().constant(
      "prior whitening", {dims, dims}, std::vector<float>(whitening.matrix.begin(), whitening.matrix.end()));
  const float share = static_cast<float>(whitening.log_determinant / static_cast<double>(dims));
  return affine(gaussian_log_density(linear(part, matrix, {})), 1, share);
}

double log_uniform(const GroupTree& tree, const kernels::DensityBlock& block) {
  double result = 0;
  for (int g = block.group_begin; g < block.group_end; ++g)
    result -= std::log(static_cast<double>(tree.classes()[static_cast<std::size_t>(g)]));
  return result;
}

// Mean log p of every block in terms.prior_blocks() → (1, blocks)
Tensor record_log_prior(Tensor z, const GroupTree& tree, const ObjectiveTerms& terms,
                        const GaussianPrior& prior) {
  const float per_item = 1.0F / static_cast<float>(z.rows());
  std::vector<Tensor> means;
  std::vector<float> constants;
  if (!prior.correlated()) {
    means.push_back(reshape(mean_rows(gaussian_log_density(z)), {1, z.columns()}));
    constants.assign(static_cast<std::size_t>(z.columns()), 0.0F);
  }
  for (const int index : terms.prior_blocks()) {
    const kernels::DensityBlock& block = tree.blocks()[static_cast<std::size_t>(index)];
    if (!prior.correlated() && block.dim_begin < block.dim_end) continue;  // the dimensions are there already
    if (block.dim_begin < block.dim_end)
      means.push_back(reshape(sum(block_log_prior(z, block, prior), per_item), {1, 1}));
    else
      means.push_back(fill(z.program(), {1, 1}, 0));
    constants.push_back(static_cast<float>(log_uniform(tree, block)));
  }
  const Shape shape{1, std::ssize(constants)};
  return add(concat_columns(means), z.program().constant("log p of classes", shape, constants));
}

}  // namespace

ObjectiveTensors record_objective(const LatentTensors& latents, const GroupTree& tree,
                                  const ObjectiveTerms& terms, MixtureWeights weights,
                                  const std::vector<float>& coefficients, const GaussianPrior& prior) {
  Program& program = latents.z.program();
  const Program::Scope scope(program, "objective");
  const float per_item = 1.0F / static_cast<float>(latents.z.rows());
  const auto row = [](Tensor t) { return reshape(t, {1, t.size()}); };

  const Tensor log_q = elbo_decomposition({.z = latents.z,
                                           .mean = latents.mean,
                                           .logvar = latents.logvar,
                                           .row_probabilities = latents.probabilities,
                                           .probabilities = latents.probabilities},
                                          tree.blocks(), tree.classes(), weights);
  Tensor log_q_given_x = sum(gaussian_log_density(latents.z, latents.mean, latents.logvar), per_item);
  if (latents.probabilities)
    log_q_given_x =
        add(log_q_given_x, sum(multiply(latents.probabilities, latents.log_probabilities), per_item));
  const Tensor means = concat_columns(
      {row(mean_rows(log_q)), row(log_q_given_x), record_log_prior(latents.z, tree, terms, prior)});

  const std::int64_t count = std::ssize(terms.terms());
  const Tensor matrix = program.constant("terms from means", {count, terms.mean_count()}, terms.matrix());
  const Tensor values = linear(means, matrix, {});  // (1, T)
  const Tensor factors = program.step_values("coefficients", coefficients);
  const Tensor penalty = linear(values, reshape(factors, {1, count}), {});
  return {.terms = reshape(values, {count}), .coefficients = factors, .penalty = reshape(penalty, {1})};
}

}  // namespace cuelbo
