// The ELBO decomposition of codes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.hpp"
#include "kernels/runtime/floating_point.hpp"
#include "models/codes.hpp"
#include "models/data/random.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t decompose_rows = 1024;  // rows of one replay

// Class probabilities of one discrete group; adds E_q log q of every item to `negative_entropy`.
std::vector<float> class_probabilities(const Codes::Discrete& group, std::vector<double>& negative_entropy) {
  std::vector<float> probabilities(group.logits.size());
  const auto k = static_cast<std::size_t>(group.classes);
  for (std::size_t item = 0; item < negative_entropy.size(); ++item) {
    const float* logits = group.logits.data() + item * k;
    const double top = *std::max_element(logits, logits + k);
    double total = 0;
    for (std::size_t c = 0; c < k; ++c) total += std::exp(static_cast<double>(logits[c]) - top);
    for (std::size_t c = 0; c < k; ++c) {
      const double log_p = static_cast<double>(logits[c]) - top - std::log(total), p = std::exp(log_p);
      probabilities[item * k + c] = static_cast<float>(p);
      negative_entropy[item] += p > 0 ? p * log_p : 0;
    }
  }
  return probabilities;
}

// The codes with columns in tree order, as the decomposition takes them.
struct TreeCodes {
  std::vector<float> z, mean, logvar, probabilities;
};

double log_normal(double x, double mean, double logvar) {
  constexpr double log_2pi = 1.8378770664093453;
  return -0.5 * (log_2pi + logvar + (x - mean) * (x - mean) * std::exp(-logvar));
}

class Decomposer {
 public:
  Decomposer(const Codes& codes, const GroupTree& tree, const DecompositionOptions& options)
      : codes_(codes),
        tree_(tree),
        options_(options),
        terms_(tree, options.prior.correlated()),
        rows_(chosen_rows()),
        negative_entropy_(static_cast<std::size_t>(codes.items)) {
    gather();
  }

  Decomposition run(Device& device) {
    const std::size_t blocks = tree_.blocks().size(), dims = tree_.dims().size();
    std::vector<double> means(static_cast<std::size_t>(terms_.mean_count()), 0.0);
    add_block_sums(device, means);
    for (const std::int64_t row : rows_) {
      means[blocks] += negative_entropy_[static_cast<std::size_t>(row)];
      for (std::size_t d = 0; d < dims; ++d) {
        const std::size_t at = static_cast<std::size_t>(row) * dims + d;
        means[blocks] += log_normal(tree_codes_.z[at], tree_codes_.mean[at], tree_codes_.logvar[at]);
      }
    }
    for (std::size_t i = 0; i < terms_.prior_blocks().size(); ++i)
      means[blocks + 1 + i] =
          log_prior_sum(tree_.blocks()[static_cast<std::size_t>(terms_.prior_blocks()[i])]);
    for (double& mean : means) mean /= static_cast<double>(rows_.size());

    Decomposition result{.terms = terms_.terms(), .values = terms_.evaluate(means)};
    result.log_qz = means[static_cast<std::size_t>(tree_.block_of_node(0))];
    result.log_qz_given_x = means[blocks];
    result.log_pz = log_prior_sum(tree_.nodes()[0].block) / static_cast<double>(rows_.size());
    result.estimator = options_.estimator;
    result.rows = std::ssize(rows_);
    result.columns = codes_.items;
    result.dataset_size = options_.dataset_size;
    return result;
  }

 private:
  // All items; for `exact` a seeded subset when there are more than asked for.
  std::vector<std::int64_t> chosen_rows() const {
    const bool some = options_.estimator == Estimator::exact;
    return draw_places(codes_.items, some ? options_.max_rows : codes_.items, options_.seed);
  }

  void gather() {
    const auto reorder = [&](const std::vector<float>& columns) {
      std::vector<float> result;
      result.reserve(columns.size());
      for (std::int64_t row = 0; row < codes_.items; ++row)
        for (const std::int64_t dim : tree_.dims())
          result.push_back(columns[static_cast<std::size_t>(row * codes_.dims + dim)]);
      return result;
    };
    tree_codes_ = {.z = reorder(codes_.z), .mean = reorder(codes_.mean), .logvar = reorder(codes_.logvar)};

    const auto total = static_cast<std::size_t>(tree_.total_classes());
    tree_codes_.probabilities.resize(static_cast<std::size_t>(codes_.items) * total);
    std::size_t begin = 0;
    for (const std::string& name : tree_.discrete_names()) {
      const auto group = std::find_if(codes_.discrete.begin(), codes_.discrete.end(),
                                      [&](const Codes::Discrete& g) { return g.name == name; });
      if (group == codes_.discrete.end()) fail("the codes have no discrete group '{}'", name);
      const std::vector<float> table = class_probabilities(*group, negative_entropy_);
      const auto k = static_cast<std::size_t>(group->classes);
      for (std::size_t row = 0; row < static_cast<std::size_t>(codes_.items); ++row)
        std::copy_n(table.begin() + static_cast<std::ptrdiff_t>(row * k), k,
                    tree_codes_.probabilities.begin() + static_cast<std::ptrdiff_t>(row * total + begin));
      begin += k;
    }
  }

  // Σ_rows log p of a block.
  double log_prior_sum(const kernels::DensityBlock& block) const {
    const GaussianPrior::Whitening whitening = options_.prior.whitening(block.dim_begin, block.dim_end);
    double classes = 0;
    for (int g = block.group_begin; g < block.group_end; ++g)
      classes += std::log(static_cast<double>(tree_.classes()[static_cast<std::size_t>(g)]));
    double sum = 0;
    for (const std::int64_t row : rows_) {
      const float* z = tree_codes_.z.data() + row * std::ssize(tree_.dims());
      sum += options_.prior.log_density(z, block.dim_begin, block.dim_end, whitening) - classes;
    }
    return sum;
  }

  // Adds Σ_rows log q̂ of every block to means[0 …].
  void add_block_sums(Device& device, std::vector<double>& means) {
    const std::int64_t dims = std::ssize(tree_.dims()), classes = tree_.total_classes(), items = codes_.items;
    const std::int64_t chunk = std::min<std::int64_t>(decompose_rows, std::ssize(rows_));
    ParameterSet none(device);
    Program program(device, none, {.gradients = false});
    ElboDecompositionInputs in{.z = program.input("z", {chunk, dims}),
                               .mean = program.input("mean", {items, dims}),
                               .logvar = program.input("logvar", {items, dims}),
                               .own = program.input("own", {chunk})};
    if (classes > 0) {
      in.row_probabilities = program.input("row probabilities", {chunk, classes});
      in.probabilities = program.input("probabilities", {items, classes});
    }
    const Tensor log_q =
        elbo_decomposition(in, tree_.blocks(), tree_.classes(),
                           mixture_weights(options_.estimator, items, options_.dataset_size));
    program.keep(log_q);
    program.plan();
    program.write(in.mean, tree_codes_.mean);
    program.write(in.logvar, tree_codes_.logvar);
    if (classes > 0) program.write(in.probabilities, tree_codes_.probabilities);

    std::vector<std::int32_t> own(static_cast<std::size_t>(chunk));
    for (std::size_t begin = 0; begin < rows_.size(); begin += own.size()) {
      const std::size_t n = std::min(own.size(), rows_.size() - begin);
      std::vector<float> z, probabilities;
      for (std::size_t i = 0; i < own.size(); ++i) {
        const std::int64_t row = rows_[begin + std::min(i, n - 1)];  // the last chunk repeats its last row
        own[i] = static_cast<std::int32_t>(row);
        z.insert(z.end(), tree_codes_.z.begin() + row * dims, tree_codes_.z.begin() + (row + 1) * dims);
        probabilities.insert(probabilities.end(), tree_codes_.probabilities.begin() + row * classes,
                             tree_codes_.probabilities.begin() + (row + 1) * classes);
      }
      program.write(in.z, z);
      program.write_int(in.own, own);
      if (classes > 0) program.write(in.row_probabilities, probabilities);
      program.replay();
      const std::vector<float> values = program.read(log_q);
      const std::size_t blocks = tree_.blocks().size();
      for (std::size_t i = 0; i < n * blocks; ++i) means[i % blocks] += values[i];
    }
  }

  const Codes& codes_;
  const GroupTree& tree_;
  const DecompositionOptions& options_;
  ObjectiveTerms terms_;
  std::vector<std::int64_t> rows_;
  TreeCodes tree_codes_;
  std::vector<double> negative_entropy_;  // (items): Σ_groups E_q log q
};

}  // namespace

Decomposition decompose(Device& device, const Codes& codes, const GroupTree& tree,
                        const DecompositionOptions& options) {
  const kernels::DefaultFloatingPoint mode;
  return Decomposer(codes, tree, options).run(device);
}

}  // namespace cuelbo
