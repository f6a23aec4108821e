// The ELBO decomposition of codes against a brute-force double loop, and the identities that any correct one holds.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "engine/device.hpp"
#include "models/codes.hpp"
#include "models/random_values.hpp"
#include "tests/support/comparison.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::is_close;

struct Case {
  std::int64_t items, dims;
  std::string groups;
  std::vector<DiscreteGroup> discrete;
};

Codes random_codes(const Case& c, std::uint64_t seed, double spread = 1.5, double deviation = 0.4) {
  Codes codes{.items = c.items, .dims = c.dims};
  const std::int64_t n = c.items * c.dims;
  codes.mean = standard_normal(seed, n);
  for (float& x : codes.mean) x *= static_cast<float>(spread);
  codes.logvar = standard_normal(seed + 1, n);
  for (float& x : codes.logvar) x = static_cast<float>(2 * std::log(deviation) + 0.5 * x);
  codes.z = standard_normal(seed + 2, n);
  for (std::size_t i = 0; i < codes.z.size(); ++i)
    codes.z[i] = codes.mean[i] + std::exp(codes.logvar[i] / 2) * codes.z[i];
  for (const DiscreteGroup& g : c.discrete) {
    codes.discrete.push_back(
        {.name = g.name, .classes = g.classes, .logits = standard_normal(++seed + 7, c.items * g.classes)});
    for (float& x : codes.discrete.back().logits) x *= 2;
  }
  return codes;
}

// log Σ_j w_bj Π … by plain double loops, straight from the definition.
class BruteForce {
 public:
  BruteForce(const Codes& codes, const GroupTree& tree, Estimator estimator, std::int64_t dataset_size)
      : codes_(codes), tree_(tree), weights_(mixture_weights(estimator, codes.items, dataset_size)) {
    for (const std::string& name : tree.discrete_names())
      for (const Codes::Discrete& g : codes.discrete)
        if (g.name == name) groups_.push_back(&g);
  }

  double log_q(std::int64_t b, const kernels::DensityBlock& v) const {
    std::vector<int> classes(groups_.size(), 0);
    return over_classes(b, v, v.group_begin, classes, 1.0);
  }

  double log_q_given_x(std::int64_t b) const {
    double sum = 0;
    for (std::int64_t d = 0; d < codes_.dims; ++d) sum += log_density(b, b, d);
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (int k = 0; k < groups_[g]->classes; ++k) sum += q(b, g, k) * std::log(q(b, g, k));
    return sum;
  }

  double log_p(std::int64_t b, std::int64_t column) const {
    const double z = codes_.z[static_cast<std::size_t>(b * codes_.dims + column)];
    return -0.5 * (std::log(2 * M_PI) + z * z);
  }

 private:
  double log_density(std::int64_t b, std::int64_t j, std::int64_t column) const {
    const auto at = static_cast<std::size_t>(j * codes_.dims + column);
    const double z = codes_.z[static_cast<std::size_t>(b * codes_.dims + column)];
    const double t = z - codes_.mean[at];
    return -0.5 * (std::log(2 * M_PI) + codes_.logvar[at] +
                   t * t / std::exp(static_cast<double>(codes_.logvar[at])));
  }

  double q(std::int64_t item, std::size_t g, int k) const {
    const float* logits = groups_[g]->logits.data() + item * groups_[g]->classes;
    double total = 0;
    for (int c = 0; c < groups_[g]->classes; ++c) total += std::exp(static_cast<double>(logits[c]));
    return std::exp(static_cast<double>(logits[k])) / total;
  }

  // Enumerates the classes of groups [g, group_end), with the probability of those chosen so far.
  double over_classes(std::int64_t b, const kernels::DensityBlock& v, int g, std::vector<int>& classes,
                      double probability) const {
    if (g == v.group_end) return probability * log_mixture(b, v, classes);
    double sum = 0;
    for (int k = 0; k < groups_[static_cast<std::size_t>(g)]->classes; ++k) {
      classes[static_cast<std::size_t>(g)] = k;
      sum += over_classes(b, v, g + 1, classes, probability * q(b, static_cast<std::size_t>(g), k));
    }
    return sum;
  }

  double log_mixture(std::int64_t b, const kernels::DensityBlock& v, const std::vector<int>& classes) const {
    std::vector<double> logs;
    for (std::int64_t j = 0; j < codes_.items; ++j) {
      const double w = j == b ? weights_.own : j == (b + 1) % codes_.items ? weights_.next : weights_.other;
      if (w == 0) continue;
      double log = std::log(w);
      for (int d = v.dim_begin; d < v.dim_end; ++d)
        log += log_density(b, j, tree_.dims()[static_cast<std::size_t>(d)]);
      for (int g = v.group_begin; g < v.group_end; ++g)
        log += std::log(q(j, static_cast<std::size_t>(g), classes[static_cast<std::size_t>(g)]));
      logs.push_back(log);
    }
    const double top = *std::max_element(logs.begin(), logs.end());
    double sum = 0;
    for (const double log : logs) sum += std::exp(log - top);
    return top + std::log(sum);
  }

  const Codes& codes_;
  const GroupTree& tree_;
  MixtureWeights weights_;
  std::vector<const Codes::Discrete*> groups_;
};

// Every term by its definition, and the largest |log q̂| that went into it.
std::map<std::string, std::pair<double, double>> brute_force_terms(const Codes& codes, const GroupTree& tree,
                                                                   Estimator estimator,
                                                                   std::int64_t dataset_size) {
  const BruteForce reference(codes, tree, estimator, dataset_size);
  std::map<std::string, std::pair<double, double>> terms;
  for (std::int64_t b = 0; b < codes.items; ++b) {
    double scale = 1;
    const auto log_q = [&](const kernels::DensityBlock& v) {
      const double value = reference.log_q(b, v);
      scale = std::max(scale, std::abs(value));
      return value;
    };
    const auto add = [&](const std::string& name, double value) {
      auto& [sum, largest] = terms[name];
      sum += value / static_cast<double>(codes.items);
      largest = std::max(largest, scale);
    };
    const auto dimension = [](int d) { return kernels::DensityBlock{d, d + 1, 0, 0}; };
    add("mutual_information", reference.log_q_given_x(b) - log_q(tree.nodes()[0].block));
    for (const GroupNode& node : tree.nodes()) {
      double tc = log_q(node.block);
      if (!node.is_leaf()) {
        for (const int c : node.children) tc -= log_q(tree.nodes()[static_cast<std::size_t>(c)].block);
        add(node.parent < 0 ? "between_group_tc" : "between_group_tc/" + node.name, tc);
      } else if (node.is_discrete_leaf()) {
        add("within_group_tc/" + node.name, 0);
        add("dimension_kl/" + node.name,
            tc + std::log(
                     static_cast<double>(tree.classes()[static_cast<std::size_t>(node.block.group_begin)])));
      } else {
        for (int d = node.block.dim_begin; d < node.block.dim_end; ++d) tc -= log_q(dimension(d));
        add("within_group_tc/" + node.name, tc);
        for (int d = node.block.dim_begin; d < node.block.dim_end; ++d) {
          const std::int64_t column = tree.dims()[static_cast<std::size_t>(d)];
          add("dimension_kl/" + std::to_string(column), log_q(dimension(d)) - reference.log_p(b, column));
        }
      }
    }
  }
  return terms;
}

class Decompose : public ::testing::Test {
 protected:
  Decomposition run(const Codes& codes, const GroupTree& tree, Estimator estimator,
                    std::int64_t dataset_size) {
    return decompose(*device_, codes, tree, {.estimator = estimator, .dataset_size = dataset_size});
  }
  double term(const Decomposition& d, const std::string& name) const {
    for (std::size_t t = 0; t < d.terms.size(); ++t)
      if (d.terms[t].name == name) return d.values[t];
    ADD_FAILURE() << "no term " << name;
    return std::nan("");
  }
  std::unique_ptr<Device> device_ = open_device({.name = "cpu", .threads = 2});
};

const std::vector<Case> cases{
    {2, 1, "0"},
    {5, 3, "0-2"},
    {33, 3, "0,1,2"},
    {33, 17, "(0-3,(4,5-9)),10-16"},
    {5, 17, "16,(0-7,8-15)"},
    {33, 4, "0-1,kind,2-3", {{"kind", 3}}},
    {5, 3, "(0-1,digit),2", {{"digit", 10}}},
    {33, 3, "(2,digit),(kind,0-1)", {{"digit", 10}, {"kind", 3}}},
};

// Identity 8, for every estimator and tree.
TEST_F(Decompose, equals_the_brute_force_double_loop) {
  for (const Case& c : cases)
    for (const Estimator estimator :
         {Estimator::hfvae, Estimator::mws, Estimator::mss, Estimator::batch, Estimator::exact}) {
      SCOPED_TRACE(c.groups + " " + to_string(estimator));
      const Codes codes = random_codes(c, 3);
      const GroupTree tree = parse_groups(c.groups, c.dims, c.discrete);
      const std::int64_t n = estimator == Estimator::exact ? c.items : 1000;
      const Decomposition result = run(codes, tree, estimator, n);
      const auto expected = brute_force_terms(codes, tree, estimator, n);
      ASSERT_EQ(result.terms.size(), expected.size());
      for (std::size_t t = 0; t < result.terms.size(); ++t) {
        const auto& [value, scale] = expected.at(result.terms[t].name);
        EXPECT_TRUE(is_close(result.values[t], value, {.absolute = 1e-5 * scale}))
            << result.terms[t].name << ": " << result.values[t] << ", expected " << value;
      }
    }
}

// Identity 1: with all coefficients 1 the terms add up to log q(z|x) − log p(z), whatever the mixture.
TEST_F(Decompose, terms_add_up_to_the_monte_carlo_kl) {
  for (const Case& c : cases)
    for (const Estimator estimator : {Estimator::hfvae, Estimator::mss, Estimator::batch}) {
      const Codes codes = random_codes(c, 11);
      const GroupTree tree = parse_groups(c.groups, c.dims, c.discrete);
      const Decomposition result = run(codes, tree, estimator, 60000);
      EXPECT_TRUE(is_close(result.summary().kl(), result.log_qz_given_x - result.log_pz,
                           {.absolute = 1e-9, .relative = 1e-9}))
          << c.groups;
      const BruteForce reference(codes, tree, estimator, 60000);
      double kl = 0;
      for (std::int64_t b = 0; b < c.items; ++b) {
        kl += reference.log_q_given_x(b);
        for (std::int64_t d = 0; d < c.dims; ++d) kl -= reference.log_p(b, d);
        for (const DiscreteGroup& g : c.discrete) kl += std::log(static_cast<double>(g.classes));
      }
      EXPECT_TRUE(is_close(result.summary().kl(), kl / static_cast<double>(c.items), {.relative = 1e-6}))
          << c.groups;
    }
}

// Identity 2.
TEST_F(Decompose, hfvae_equals_batch_when_the_batch_is_the_data_set) {
  for (const Case& c : cases) {
    const Codes codes = random_codes(c, 5);
    const GroupTree tree = parse_groups(c.groups, c.dims, c.discrete);
    const Decomposition a = run(codes, tree, Estimator::hfvae, c.items),
                        b = run(codes, tree, Estimator::batch, c.items);
    EXPECT_TRUE(test::all_close(a.values, b.values, {.absolute = 1e-6, .relative = 1e-6})) << c.groups;
  }
}

// Identity 3.
TEST_F(Decompose, total_correlation_moves_between_the_levels) {
  const Codes codes = random_codes({.items = 33, .dims = 5, .groups = ""}, 9);
  const Decomposition singles = run(codes, parse_groups("0,1,2,3,4", 5, {}), Estimator::hfvae, 500);
  const Decomposition one = run(codes, parse_groups("0-4", 5, {}), Estimator::hfvae, 500);
  EXPECT_EQ(singles.summary().within_group_tc, 0);
  EXPECT_EQ(one.summary().between_group_tc, 0);
  EXPECT_TRUE(
      is_close(singles.summary().between_group_tc, one.summary().within_group_tc, {.relative = 1e-12}));
  EXPECT_NE(one.summary().within_group_tc, 0);
}

// Identity 4.
TEST_F(Decompose, a_discrete_group_has_no_total_correlation_of_its_own) {
  const Case c{33, 2, "0-1,digit", {{"digit", 10}}};
  const Decomposition d =
      run(random_codes(c, 2), parse_groups(c.groups, c.dims, c.discrete), Estimator::hfvae, 500);
  EXPECT_EQ(term(d, "within_group_tc/digit"), 0);
  EXPECT_NE(term(d, "dimension_kl/digit"), 0);
}

// μ ~ N(0, C − s²I), z | μ ~ N(μ, s²I): the aggregate posterior is N(0, C).
Codes gaussian_codes(std::int64_t n, double correlation, double s, std::uint64_t seed) {
  Codes codes{.items = n, .dims = 2};
  const std::vector<float> u = standard_normal(seed, 2 * n), e = standard_normal(seed + 1, 2 * n);
  const double a = 1 - s * s, r = correlation / a;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const double x = u[2 * i], y = u[2 * i + 1];
    const double mean[2] = {std::sqrt(a) * x, std::sqrt(a) * (r * x + std::sqrt(1 - r * r) * y)};
    for (std::size_t d = 0; d < 2; ++d) {
      codes.mean.push_back(static_cast<float>(mean[d]));
      codes.logvar.push_back(static_cast<float>(2 * std::log(s)));
      codes.z.push_back(static_cast<float>(mean[d] + s * e[2 * i + d]));
    }
  }
  return codes;
}

// Identity 7: z = μ + s·ε is linear-Gaussian: TC = −½ log(1 − ρ²), MI = ½ log det(C / s²).
TEST_F(Decompose, linear_gaussian_codes_have_the_closed_forms) {
  const double rho = 0.7, s = 0.4;
  const Codes codes = gaussian_codes(6000, rho, s, 17);
  const Decomposition d = run(codes, parse_groups("0-1", 2, {}), Estimator::exact, codes.items);
  // Standard error of the mean over 6 000 rows, and the bias of a mixture of 6 000 components, are below 0.02.
  EXPECT_TRUE(is_close(d.summary().within_group_tc, -0.5 * std::log(1 - rho * rho), {.absolute = 0.03}));
  EXPECT_TRUE(is_close(d.summary().mutual_information, 0.5 * std::log((1 - rho * rho) / std::pow(s, 4)),
                       {.absolute = 0.03}));
}

// Identity 5: q = p with a correlated prior leaves no total correlation to pay for.
TEST_F(Decompose, total_correlation_is_measured_against_a_correlated_prior) {
  const double rho = 0.7;
  const Codes codes = gaussian_codes(6000, rho, 0.4, 23);
  DecompositionOptions options{.estimator = Estimator::exact, .dataset_size = codes.items};
  const GroupTree within = parse_groups("0-1", 2, {}), between = parse_groups("0,1", 2, {});
  EXPECT_GT(decompose(*device_, codes, within, options).summary().within_group_tc, 0.25);
  options.prior = GaussianPrior(2, {1, rho, rho, 1});
  const Decomposition w = decompose(*device_, codes, within, options);
  const Decomposition b = decompose(*device_, codes, between, options);
  EXPECT_TRUE(is_close(w.summary().within_group_tc, 0, {.absolute = 0.03}));
  EXPECT_TRUE(is_close(b.summary().between_group_tc, 0, {.absolute = 0.03}));
  EXPECT_TRUE(is_close(w.summary().kl(), w.log_qz_given_x - w.log_pz, {.relative = 1e-9}));
}

// Identity 6: a mixture of few components misses mass: E log q̂ ≤ E log q (Jensen).
TEST_F(Decompose, the_estimate_of_log_q_rises_to_the_exact_value_with_the_batch) {
  const std::int64_t n = 4096;
  const Codes all = gaussian_codes(n, 0.5, 0.3, 31);
  const GroupTree tree = parse_groups("0-1", 2, {});
  const double exact = run(all, tree, Estimator::exact, n).log_qz;
  double previous = -1e30;
  for (const std::int64_t batch : {16, 64, 256, 1024}) {
    double mean = 0;  // over all batches of this size
    for (std::int64_t begin = 0; begin < n; begin += batch) {
      const auto part = [&](const std::vector<float>& v) {
        return std::vector<float>(v.begin() + 2 * begin, v.begin() + 2 * (begin + batch));
      };
      const Codes codes{
          .items = batch, .dims = 2, .mean = part(all.mean), .logvar = part(all.logvar), .z = part(all.z)};
      mean +=
          run(codes, tree, Estimator::hfvae, n).log_qz * static_cast<double>(batch) / static_cast<double>(n);
    }
    EXPECT_LT(mean, exact) << batch;
    EXPECT_GT(mean, previous) << batch;
    previous = mean;
  }
  EXPECT_TRUE(is_close(previous, exact, {.absolute = 0.1}));
}

TEST_F(Decompose, exact_takes_a_seeded_subset_of_rows) {
  const Codes codes = gaussian_codes(3000, 0.5, 0.3, 41);
  const GroupTree tree = parse_groups("0-1", 2, {});
  DecompositionOptions options{.estimator = Estimator::exact, .dataset_size = 3000, .max_rows = 1500};
  const Decomposition a = decompose(*device_, codes, tree, options),
                      b = decompose(*device_, codes, tree, options);
  EXPECT_EQ(a.rows, 1500);
  EXPECT_EQ(a.columns, 3000);
  EXPECT_EQ(a.values, b.values);
  options.max_rows = 3000;
  EXPECT_TRUE(test::all_close(a.values, decompose(*device_, codes, tree, options).values, {.absolute = 0.1}));
}

TEST_F(Decompose, threads_do_not_change_a_bit) {
  const Case c{130, 6, "(0-2,kind),3-5", {{"kind", 3}}};
  const Codes codes = random_codes(c, 6);
  const GroupTree tree = parse_groups(c.groups, c.dims, c.discrete);
  const std::vector<double> one =
      decompose(*open_device({.name = "cpu", .threads = 1}), codes, tree, {.dataset_size = 999}).values;
  for (const int threads : {2, 3})
    EXPECT_EQ(one,
              decompose(*open_device({.name = "cpu", .threads = threads}), codes, tree, {.dataset_size = 999})
                  .values);
}

TEST(MixtureWeights, sum_to_one_and_refuse_what_they_cannot_weigh) {
  for (const Estimator e : {Estimator::hfvae, Estimator::mss, Estimator::batch}) {
    const MixtureWeights w = mixture_weights(e, 33, 1000);
    EXPECT_NEAR(w.own + w.next + 31 * w.other, 1, 1e-12) << to_string(e);
  }
  EXPECT_NEAR(mixture_weights(Estimator::mws, 8, 100).own, 1.0 / 800, 1e-15);
  EXPECT_TRUE(fails_with<UsageError>([] { mixture_weights(Estimator::hfvae, 1, 10); }, "at least 2 items"));
  EXPECT_TRUE(fails_with<UsageError>([] { mixture_weights(Estimator::hfvae, 10, 9); },
                                     "dataset size 9 < batch size 10"));
  EXPECT_TRUE(fails_with<UsageError>([] { mixture_weights(Estimator::exact, 10, 11); }, "whole data set"));
  EXPECT_NO_THROW(mixture_weights(Estimator::batch, 1, 1));
  EXPECT_TRUE(fails_with<UsageError>([] { parse_estimator("hfvea"); }, "did you mean 'hfvae'?"));
}

TEST(GaussianPrior, refuses_what_is_no_covariance) {
  EXPECT_TRUE(fails_with<UsageError>([] { GaussianPrior(2, {1, 0, 0}); }, "4"));
  EXPECT_TRUE(fails_with<UsageError>([] { GaussianPrior(2, {1, 0.5, 0.4, 1}); }, "not symmetric"));
  EXPECT_TRUE(fails_with<UsageError>([] { GaussianPrior(2, {1, 2, 2, 1}); }, "not positive definite"));
}

}  // namespace
}  // namespace cuelbo
