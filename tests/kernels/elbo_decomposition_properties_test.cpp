// Properties of the estimates for all inputs: identities 2, 3 and 6 of the objective, extreme and invalid inputs,
// memory.

#include "tests/kernels/elbo_decomposition_problem.hpp"

namespace cuelbo::test {
namespace {

double mean_of_block(const ElboProblem& p, const std::vector<float>& log_q, std::int64_t block) {
  double sum = 0;
  for (std::int64_t b = 0; b < p.shape().rows; ++b)
    sum += log_q[static_cast<std::size_t>(b * p.shape().block_count + block)];
  return sum / static_cast<double>(p.shape().rows);
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

// log q(z_b | x_b), all dimensions, mean over the rows.
double mean_own_log_density(const ElboProblem& p) {
  double sum = 0;
  for (std::size_t i = 0; i < p.z.size(); ++i)
    sum += kernels::reference::log_normal(double{p.z[i]}, double{p.mean[i]}, double{p.logvar[i]});
  return sum / static_cast<double>(p.shape().rows);
}

TEST(ElboDecompositionIdentities, HfvaeIsBatchWhenTheDataAreTheBatch) {
  for (const std::int64_t n : {2, 5, 33, 64}) {
    const ElboProblemOptions options = {
        .rows = n, .columns = n, .dims = 3, .classes = {3}, .data_size = static_cast<double>(n)};
    ElboProblemOptions batch = options;
    batch.estimator = Estimator::batch;
    const ElboProblem a = make_problem(options, hfvae_blocks(3, 2, 1)),
                      b = make_problem(batch, hfvae_blocks(3, 2, 1));
    for (const auto& path : kernel_paths())
      EXPECT_TRUE(nats_near(run_kernel(a, *path.table).log_q, to_double(run_kernel(b, *path.table).log_q)))
          << path.name;
  }
}

// Groups of one dimension are the dimensions; one group of all is the joint.
TEST(ElboDecompositionIdentities, BlocksOfTheSameDimensionsAreEqual) {
  for (const std::int32_t dims : {1, 3, 17}) {
    Blocks blocks = hfvae_blocks(dims, 1);
    blocks.push_back({0, dims, 0, 0});
    const ElboProblem p = make_problem({.rows = 33, .columns = 33, .dims = dims}, blocks);
    const std::int64_t n = p.shape().block_count;
    for (const auto& path : kernel_paths()) {
      const ElboResult result = run_kernel(p, *path.table);
      for (std::int64_t b = 0; b < 33; ++b) {
        const float* const log_q = result.log_q.data() + b * n;
        EXPECT_EQ(log_q[0], log_q[n - 1]) << path.name;
        for (std::int32_t d = 0; d < dims; ++d) EXPECT_EQ(log_q[1 + d], log_q[1 + dims + d]) << path.name;
      }
    }
  }
}

// Jensen: E log q̂(z) ≤ E log q(z | x) + log of what the own column misses; E log q̂ ≤ E log q with q the mixture of all
// items, here taken as a large batch, and the gap shrinks as the batch grows.
TEST(ElboDecompositionIdentities, EstimateIsALowerBoundThatTightens) {
  constexpr std::int64_t items = 4096;
  const Blocks blocks = {{0, 2, 0, 0}};
  const ElboProblem whole =
      make_problem({.rows = items, .columns = items, .dims = 2, .data_size = items}, blocks);
  const auto& table = *kernel_paths().front().table;
  const std::vector<float> exact = run_kernel(whole, table).log_q;
  double previous_gap = std::numeric_limits<double>::infinity();
  for (const std::int64_t batch : {8, 64, 512}) {
    double gap = 0;
    for (std::int64_t first = 0; first < items; first += batch) {
      ElboProblem p = make_problem({.rows = batch, .columns = batch, .dims = 2, .data_size = items}, blocks);
      const auto part = [&](const std::vector<float>& from, std::vector<float>& to) {
        std::copy_n(from.begin() + first * 2, batch * 2, to.begin());
      };
      part(whole.z, p.z);
      part(whole.mean, p.mean);
      part(whole.logvar, p.logvar);
      const std::vector<float> estimate = run_kernel(p, table).log_q;
      for (std::int64_t b = 0; b < batch; ++b)
        gap += exact[static_cast<std::size_t>(first + b)] - estimate[static_cast<std::size_t>(b)];
    }
    gap /= items;
    EXPECT_GT(gap, 0) << batch;
    EXPECT_LT(gap, previous_gap) << batch;
    previous_gap = gap;
  }
  EXPECT_LT(previous_gap, 0.05);
}

// With the own column's weight at most 1, log q̂ ≥ log own_weight + log q(z | x).
TEST(ElboDecompositionIdentities, TheOwnColumnBoundsTheEstimateFromBelow) {
  const ElboProblem p = make_problem({.rows = 200, .columns = 200, .dims = 10}, {{0, 10, 0, 0}});
  for (const auto& path : kernel_paths()) {
    const double estimate = mean_of_block(p, run_kernel(p, *path.table).log_q, 0);
    EXPECT_GE(estimate, std::log(p.shape().own_weight) + mean_own_log_density(p)) << path.name;
  }
}

TEST(ElboDecompositionExtremes, LogvarOfTwenty) {
  for (const std::int32_t dims : {3, 17}) {
    ElboProblem p =
        make_problem({.rows = 33, .columns = 33, .dims = dims, .classes = {3}}, hfvae_blocks(dims, 2, 1));
    for (std::size_t i = 0; i < p.logvar.size(); ++i)
      p.logvar[i] = i % 3 == 0 ? 20.0F : i % 3 == 1 ? -20.0F : 0.0F;
    const ElboReference expected = run_reference(p);
    for (const auto& path : kernel_paths()) {
      SCOPED_TRACE(path.name);
      const ElboResult result = run_kernel(p, *path.table);
      EXPECT_TRUE(nats_near(result.log_q, expected.log_q));
      for (const auto* values : result.all()) EXPECT_TRUE(all_finite(*values));
    }
  }
}

// Products of densities run out of range on the way from near to far codes: values and gradients must not show where.
TEST(ElboDecompositionExtremes, CodesOfGrowingDistance) {
  for (const float deviations : {3.0F, 6.0F, 8.0F, 10.0F, 11.0F, 12.0F, 13.0F, 14.0F, 17.0F, 20.0F}) {
    SCOPED_TRACE(deviations);
    for (const std::int32_t classes : {0, 3}) {
      ElboProblemOptions options = {.rows = 20, .columns = 70, .dims = 4, .deviation = 0.5, .spread = 0.05};
      options.classes[0] = classes;
      ElboProblem p = make_problem(options, hfvae_blocks(4, 2, classes > 0));
      for (float& x : p.mean) x *= 0.01F;
      for (std::size_t i = 0; i < p.z.size(); ++i)
        p.z[i] = i / 4 % 2 == 0 || i % 2 == 0 ? deviations * 0.5F : p.z[i] * 0.01F;
      const ElboReference expected = run_reference(p);
      for (const auto& path : kernel_paths()) {
        SCOPED_TRACE(path.name);
        expect_agreement(run_kernel(p, *path.table), expected,
                         1e-3);  // fp32 log-densities of up to 1000 nats
      }
    }
  }
}

// Codes that no column explains.
TEST(ElboDecompositionExtremes, FarCodes) {
  for (const double distance : {30.0, 1e3, 1e6}) {
    ElboProblem p = make_problem({.rows = 33, .columns = 33, .dims = 10, .classes = {3}, .deviation = 0.1},
                                 hfvae_blocks(10, 2, 1));
    for (std::size_t i = 0; i < p.z.size(); ++i)
      if (i % 4 != 0) p.z[i] = static_cast<float>(i % 2 == 0 ? distance : -distance);
    const ElboReference expected = run_reference(p);
    for (const auto& path : kernel_paths()) {
      SCOPED_TRACE(path.name);
      const ElboResult result = run_kernel(p, *path.table);
      EXPECT_TRUE(nats_near(result.log_q, expected.log_q));
      for (const auto* values : result.all()) EXPECT_TRUE(all_finite(*values));
    }
  }
}

TEST(ElboDecompositionExtremes, CertainClasses) {
  for (const bool others_are_certain : {false, true}) {
    ElboProblem p =
        make_problem({.rows = 17, .columns = 17, .dims = 2, .classes = {3}}, hfvae_blocks(2, 1, 1));
    for (std::size_t b = 0; b < 17; ++b) {
      for (std::size_t k = 0; k < 3; ++k) {
        p.row_probabilities[b * 3 + k] = k == b % 2 ? 1.0F : 0.0F;  // no row is in class 2
        if (others_are_certain || b < 5) p.probabilities[b * 3 + k] = p.row_probabilities[b * 3 + k];
      }
    }
    const ElboReference expected = run_reference(p);
    for (const auto& path : kernel_paths()) {
      SCOPED_TRACE(path.name);
      const ElboResult result = run_kernel(p, *path.table);
      EXPECT_TRUE(nats_near(result.log_q, expected.log_q));
      EXPECT_LT(relative_error(result.dz, expected.dz), 1e-4);
      EXPECT_LT(relative_error(result.dprobabilities, expected.dprobabilities), 1e-4);
      for (const auto* values : result.all()) EXPECT_TRUE(all_finite(*values));
    }
  }
}

// A NaN reaches everything that depends on it and nothing else.
TEST(ElboDecompositionNan, OfACode) {
  ElboProblem p = make_problem({.rows = 33, .columns = 33, .dims = 3, .classes = {3}}, hfvae_blocks(3, 2, 1));
  constexpr std::int64_t row = 20, dim = 2;
  p.z[row * 3 + dim] = std::numeric_limits<float>::quiet_NaN();
  for (const auto& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    const ElboResult result = run_kernel(p, *path.table);
    const std::int64_t n = p.shape().block_count;
    for (std::int64_t b = 0; b < 33; ++b) {
      for (std::int64_t v = 0; v < n; ++v) {
        const kernels::DensityBlock& block = p.blocks[static_cast<std::size_t>(v)];
        const bool depends = b == row && block.dim_begin <= dim && dim < block.dim_end;
        EXPECT_EQ(std::isnan(result.log_q[static_cast<std::size_t>(b * n + v)]), depends) << b << ' ' << v;
      }
      EXPECT_EQ(std::isnan(result.dz[static_cast<std::size_t>(b * 3)]), b == row) << b;
    }
    for (const float x : result.dmean) EXPECT_TRUE(std::isnan(x));
    for (const float x : result.dlogvar) EXPECT_TRUE(std::isnan(x));
  }
}

TEST(ElboDecompositionNan, OfAColumn) {
  for (const int which : {0, 1, 2}) {
    ElboProblem p =
        make_problem({.rows = 70, .columns = 70, .dims = 3, .classes = {3}}, hfvae_blocks(3, 2, 1));
    std::vector<float>& input = which == 0 ? p.mean : which == 1 ? p.logvar : p.probabilities;
    input[66 * 3 + 1] = std::numeric_limits<float>::quiet_NaN();
    for (const auto& path : kernel_paths()) {
      SCOPED_TRACE(path.name);
      const ElboResult result = run_kernel(p, *path.table);
      const std::int64_t n = p.shape().block_count;
      for (std::int64_t b = 0; b < 70; ++b) {
        for (std::int64_t v = 0; v < n; ++v) {
          const kernels::DensityBlock& block = p.blocks[static_cast<std::size_t>(v)];
          const bool depends =
              which == 2 ? block.group_begin < block.group_end : block.dim_begin <= 1 && 1 < block.dim_end;
          EXPECT_EQ(std::isnan(result.log_q[static_cast<std::size_t>(b * n + v)]), depends) << b << ' ' << v;
        }
        EXPECT_TRUE(std::isnan(result.dz[static_cast<std::size_t>(b * 3 + 1)])) << b;
      }
    }
  }
}

TEST(ElboDecompositionNan, OfAGradient) {
  ElboProblem p = make_problem({.rows = 9, .columns = 9, .dims = 3}, hfvae_blocks(3, 2));
  p.dlog_q[4 * p.blocks.size()] = std::numeric_limits<float>::quiet_NaN();  // the joint of row 4
  for (const auto& path : kernel_paths()) {
    const ElboResult result = run_kernel(p, *path.table);
    for (std::size_t b = 0; b < 9; ++b) EXPECT_EQ(std::isnan(result.dz[b * 3]), b == 4) << path.name;
    for (const float x : result.dmean) EXPECT_TRUE(std::isnan(x)) << path.name;
  }
}

#if defined(CUELBO_SIMT)  // cpu_memory_test.cpp has the CPU's
TEST(ElboDecompositionMemory, StaysBelowFortyMegabytesAtTheLargestBatch) {
  const Blocks blocks = hfvae_blocks(64, 8);
  kernels::ElboDecompositionShape s;
  s.rows = s.columns = 16384;
  s.dims = 64;
  s.blocks = blocks.data();
  s.block_count = static_cast<std::int32_t>(blocks.size());
  for (const auto& path : kernel_paths().subspan(1)) {  // variant 0 stores all pairs
    const auto bytes = [](const auto& kernel, const auto& args) {
      return kernel.workspace == nullptr ? 0 : kernel.workspace(args);
    };
    const std::size_t forward =
        bytes(path.table->elbo_decomposition_forward, kernels::ElboDecompositionForward{.shape = s});
    const std::size_t backward =
        bytes(path.table->elbo_decomposition_backward, kernels::ElboDecompositionBackward{.shape = s});
    EXPECT_LT(forward + backward, 40'000'000U) << path.name << ": " << forward << " + " << backward;
  }
}
#endif

// A gradient that nothing adds to is 0, not what the memory held.
TEST(ElboDecompositionEmpty, GradientsAreZero) {
  ElboProblem no_blocks = make_problem({.rows = 9, .columns = 9, .dims = 3, .classes = {4}}, {});
  ElboProblem no_rows =
      make_problem({.rows = 0, .columns = 9, .dims = 3, .classes = {4}}, hfvae_blocks(3, 2, 1));
  ElboProblem nothing = make_problem({.rows = 0, .columns = 0, .dims = 3, .classes = {4}}, {});
  for (const auto& path : kernel_paths()) {
    for (const ElboProblem* const p : {&no_blocks, &no_rows, &nothing}) {
      SCOPED_TRACE(path.name + ": " + std::to_string(p->shape().rows) + " rows");
      const ElboResult result = run_kernel(*p, *path.table);
      for (const std::vector<float>* const gradient : result.all())
        for (const float x : *gradient) EXPECT_EQ(x, 0);
    }
  }
}

}  // namespace
}  // namespace cuelbo::test
