// Inputs of the decomposition and their path through a kernel table or the reference.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"
#include "kernels/elbo_decomposition/elbo_decomposition_reference.hpp"
#include "tests/support/kernel_buffer.hpp"
#include "tests/support/kernel_paths.hpp"

namespace cuelbo::test {

enum class Estimator { hfvae, batch, mws, mss };

struct ElboProblem {
  std::vector<kernels::DensityBlock> blocks;
  kernels::ElboDecompositionShape shape_without_blocks;
  std::vector<float> z, mean, logvar, row_probabilities, probabilities;
  std::vector<std::int32_t> own;  // empty: own[b] = b
  std::vector<float> dlog_q;

  kernels::ElboDecompositionShape shape() const {
    kernels::ElboDecompositionShape s = shape_without_blocks;
    s.blocks = blocks.data();
    s.block_count = static_cast<std::int32_t>(blocks.size());
    return s;
  }
};

struct ElboProblemOptions {
  std::int64_t rows = 5, columns = 5, dims = 3;
  std::array<std::int32_t, 3> classes = {};  // of the discrete groups; 0: no such group
  double deviation = 0.5, spread = 0.3;      // σ = deviation · exp(spread · normal)
  double data_size = 60000;
  Estimator estimator = Estimator::hfvae;
  std::uint64_t seed = 1;
};

inline void set_weights(kernels::ElboDecompositionShape& s, Estimator estimator, double n) {
  const double columns = static_cast<double>(s.columns), others = std::max(1.0, columns - 1);
  switch (estimator) {
    case Estimator::hfvae:
      s.own_weight = 1 / n;
      s.next_weight = s.other_weight = (n - 1) / (n * others);
      break;
    case Estimator::batch: s.own_weight = s.next_weight = s.other_weight = 1 / columns; break;
    case Estimator::mws: s.own_weight = s.next_weight = s.other_weight = 1 / (n * columns); break;
    case Estimator::mss:
      s.own_weight = 1 / n;
      s.next_weight = (n - others) / (n * others);
      s.other_weight = 1 / others;
      break;
  }
}

// z is drawn from its own column, row_probabilities are those of its own column.
inline ElboProblem make_problem(const ElboProblemOptions& o, std::vector<kernels::DensityBlock> blocks) {
  ElboProblem p;
  p.blocks = std::move(blocks);
  kernels::ElboDecompositionShape& s = p.shape_without_blocks;
  s.rows = o.rows;
  s.columns = o.columns;
  s.dims = o.dims;
  for (const std::int32_t classes : o.classes)
    if (classes > 0) s.classes[s.group_count++] = classes;
  set_weights(s, o.estimator, o.data_size);

  std::mt19937_64 generator(o.seed);
  std::normal_distribution<double> normal;
  for (std::int64_t i = 0; i < o.columns * o.dims; ++i) {
    p.mean.push_back(static_cast<float>(normal(generator)));
    p.logvar.push_back(static_cast<float>(2 * (std::log(o.deviation) + o.spread * normal(generator))));
  }
  for (std::int64_t j = 0; j < o.columns; ++j) {
    for (const std::int32_t classes : o.classes) {
      std::vector<double> q;
      double total = 0;
      for (std::int32_t k = 0; k < classes; ++k) total += q.emplace_back(std::exp(2 * normal(generator)));
      for (const double x : q) p.probabilities.push_back(static_cast<float>(x / total));
    }
  }
  const std::int64_t width = kernels::class_column_count(s);
  if (o.rows != o.columns) {
    for (std::int64_t b = 0; b < o.rows; ++b)
      p.own.push_back(static_cast<std::int32_t>(generator() % static_cast<std::uint64_t>(o.columns)));
  }
  for (std::int64_t b = 0; b < o.rows; ++b) {
    const std::int64_t own = p.own.empty() ? b : p.own[static_cast<std::size_t>(b)];
    for (std::int64_t d = 0; d < o.dims; ++d) {
      const auto i = static_cast<std::size_t>(own * o.dims + d);
      p.z.push_back(static_cast<float>(p.mean[i] + std::exp(p.logvar[i] / 2.0) * normal(generator)));
    }
    for (std::int64_t k = 0; k < width; ++k)
      p.row_probabilities.push_back(p.probabilities[static_cast<std::size_t>(own * width + k)]);
  }
  for (std::int64_t i = 0; i < o.rows * static_cast<std::int64_t>(p.blocks.size()); ++i)
    p.dlog_q.push_back(static_cast<float>(normal(generator) / static_cast<double>(o.rows)));
  return p;
}

struct ElboResult {
  std::vector<float> log_q, log_class_sums, dz, dmean, dlogvar, drow_probabilities, dprobabilities;

  std::vector<const std::vector<float>*> all() const {
    return {&log_q, &log_class_sums, &dz, &dmean, &dlogvar, &drow_probabilities, &dprobabilities};
  }
};

// Forward, then backward; fails the test if a guard is damaged.
inline ElboResult run_kernel(const ElboProblem& p, const kernels::KernelTable& table,
                             kernels::Stream stream = {}) {
  const kernels::ElboDecompositionShape s = p.shape();
  const std::int64_t width = kernels::class_column_count(s);
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const std::int32_t* const own = p.own.empty() ? nullptr : p.own.data();
  const KernelBuffer z(p.z), mean(p.mean), logvar(p.logvar), row_probabilities(p.row_probabilities),
      probabilities(p.probabilities), dlog_q(p.dlog_q);
  KernelBuffer log_q(size(s.rows * s.block_count)), sums(size(s.rows * kernels::saved_columns(s)));
  launch(table.elbo_decomposition_forward,
         {.shape = s,
          .z = z.data(),
          .mean = mean.data(),
          .logvar = logvar.data(),
          .row_probabilities = row_probabilities.data(),
          .probabilities = probabilities.data(),
          .own = own,
          .log_q = log_q.data(),
          .log_class_sums = sums.data(),
          .workspace = nullptr},
         stream);
  KernelBuffer dz(size(s.rows * s.dims)), dmean(size(s.columns * s.dims)), dlogvar(size(s.columns * s.dims)),
      drow(size(s.rows * width)), dprobabilities(size(s.columns * width));
  launch(table.elbo_decomposition_backward,
         {.shape = s,
          .z = z.data(),
          .mean = mean.data(),
          .logvar = logvar.data(),
          .row_probabilities = row_probabilities.data(),
          .probabilities = probabilities.data(),
          .own = own,
          .log_q = log_q.data(),
          .log_class_sums = sums.data(),
          .dlog_q = dlog_q.data(),
          .dz = dz.data(),
          .dmean = dmean.data(),
          .dlogvar = dlogvar.data(),
          .drow_probabilities = drow.data(),
          .dprobabilities = dprobabilities.data(),
          .workspace = nullptr},
         stream);
  for (const KernelBuffer* buffer : {&log_q, &sums, &dz, &dmean, &dlogvar, &drow, &dprobabilities})
    EXPECT_TRUE(buffer->intact()) << "wrote beside an output";
  return {log_q.values(), sums.values(),          dz.values(), dmean.values(), dlogvar.values(),
          drow.values(),  dprobabilities.values()};
}

struct ElboReference {
  std::vector<double> log_q, log_class_sums, dz, dmean, dlogvar, drow_probabilities, dprobabilities;
};

struct ElboInputs {  // in double
  explicit ElboInputs(const ElboProblem& p)
      : z(to_double(p.z)),
        mean(to_double(p.mean)),
        logvar(to_double(p.logvar)),
        row_probabilities(to_double(p.row_probabilities)),
        probabilities(to_double(p.probabilities)),
        own(p.own.empty() ? nullptr : p.own.data()) {}
  kernels::reference::ElboDecompositionInputs<double> pointers() const {
    return {z.data(), mean.data(), logvar.data(), row_probabilities.data(), probabilities.data(), own};
  }
  std::vector<double> z, mean, logvar, row_probabilities, probabilities;
  const std::int32_t* own;
};

inline ElboReference run_reference(const ElboProblem& p) {
  const kernels::ElboDecompositionShape s = p.shape();
  const ElboInputs in(p);
  ElboReference r;
  r.log_q.resize(static_cast<std::size_t>(s.rows * s.block_count));
  r.log_class_sums.resize(static_cast<std::size_t>(s.rows * kernels::saved_columns(s)));
  kernels::reference::elbo_decomposition_forward(s, in.pointers(), r.log_q.data(), r.log_class_sums.data());
  r.dz.resize(in.z.size());
  r.dmean.resize(in.mean.size());
  r.dlogvar.resize(in.logvar.size());
  r.drow_probabilities.resize(in.row_probabilities.size());
  r.dprobabilities.resize(in.probabilities.size());
  const std::vector<double> dlog_q = to_double(p.dlog_q);
  kernels::reference::elbo_decomposition_backward(
      s, in.pointers(), dlog_q.data(),
      {r.dz.data(), r.dmean.data(), r.dlogvar.data(), r.drow_probabilities.data(), r.dprobabilities.data()});
  return r;
}

// Within 1e-5 · max(1, |expected|) nats.
inline testing::AssertionResult nats_near(const std::vector<float>& actual,
                                          const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!(std::abs(actual[i] - expected[i]) <= 1e-5 * std::max(1.0, std::abs(expected[i]))))
      return testing::AssertionFailure()
             << "element " << i << ": " << actual[i] << ", expected " << expected[i];
  }
  return testing::AssertionSuccess();
}

// Norm of the difference over the norm of `expected`.
inline double relative_error(const std::vector<float>& actual, const std::vector<double>& expected) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

inline void expect_agreement(const ElboResult& actual, const ElboReference& expected,
                             double gradient_tolerance = 1e-4) {
  EXPECT_TRUE(nats_near(actual.log_q, expected.log_q)) << "log_q";
  EXPECT_TRUE(nats_near(actual.log_class_sums, expected.log_class_sums)) << "log_class_sums";
  EXPECT_LT(relative_error(actual.dz, expected.dz), gradient_tolerance) << "dz";
  EXPECT_LT(relative_error(actual.dmean, expected.dmean), gradient_tolerance) << "dmean";
  EXPECT_LT(relative_error(actual.dlogvar, expected.dlogvar), gradient_tolerance) << "dlogvar";
  EXPECT_LT(relative_error(actual.drow_probabilities, expected.drow_probabilities), gradient_tolerance)
      << "drow_probabilities";
  EXPECT_LT(relative_error(actual.dprobabilities, expected.dprobabilities), gradient_tolerance)
      << "dprobabilities";
}

// Block tables.

using Blocks = std::vector<kernels::DensityBlock>;

// The joint with all discrete groups, groups of `group` dimensions, single dimensions, discrete groups alone.
inline Blocks hfvae_blocks(std::int32_t dims, std::int32_t group, std::int32_t discrete = 0) {
  Blocks blocks = {{0, dims, 0, discrete}};
  for (std::int32_t d = 0; d < dims; d += group) blocks.push_back({d, std::min(d + group, dims), 0, 0});
  for (std::int32_t d = 0; d < dims; ++d) blocks.push_back({d, d + 1, 0, 0});
  for (std::int32_t c = 0; c < discrete; ++c) blocks.push_back({0, 0, c, c + 1});
  return blocks;
}

// Halves of halves down to single dimensions.
inline void add_tree(Blocks& blocks, std::int32_t begin, std::int32_t end) {
  blocks.push_back({begin, end, 0, 0});
  if (end - begin < 2) return;
  const std::int32_t middle = (begin + end) / 2;
  add_tree(blocks, begin, middle);
  add_tree(blocks, middle, end);
}
inline Blocks tree_blocks(std::int32_t dims) {
  Blocks blocks;
  add_tree(blocks, 0, dims);
  return blocks;
}

}  // namespace cuelbo::test
