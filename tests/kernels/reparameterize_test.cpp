#include "kernels/reparameterize/reparameterize_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

struct Layout {
  std::int64_t rows, dims, stride;
};

// Contiguous, the halves of an encoder's output, odd strides; around blocks of noise (4 · lanes), pieces and tasks.
const std::vector<Layout> layouts = {{1, 1, 1},        {1, 1, 5},       {3, 5, 5},     {3, 5, 11},
                                     {64, 10, 20},     {64, 10, 10},    {17, 13, 29},  {1025, 10, 20},
                                     {4099, 10, 20},   {7, 1021, 1021}, {33, 64, 128}, {16385, 1, 2},
                                     {2, 16383, 16390}};

const std::vector<StepCounter> counters = {{.seed = 1, .step = 0},
                                           {.seed = 0x123456789abcdef0, .step = 0xfedcba9876543210}};

TEST(Reparameterize, ForwardAndBackwardMatchReferenceAndTouchNoOtherColumn) {
  for (const auto [rows, dims, stride] : layouts) {
    for (const StepCounter& counter : counters) {
      SCOPED_TRACE(testing::Message()
                   << rows << "x" << dims << " of " << stride << ", seed " << counter.seed);
      constexpr std::uint32_t operation = 7;
      const auto n = static_cast<std::size_t>(rows * dims), wide = static_cast<std::size_t>(rows * stride);
      const auto mean = random_normal(wide, 1), logvar = random_normal(wide, 2), dz = random_normal(n, 3);
      std::vector<double> z(n), dmean = to_double(KernelBuffer(wide).values()), dlogvar = dmean;
      reference::reparameterize_forward(rows, dims, stride, to_double(mean).data(), to_double(logvar).data(),
                                        counter, operation, z.data());
      reference::reparameterize_backward(rows, dims, stride, to_double(logvar).data(), counter, operation,
                                         to_double(dz).data(), dmean.data(), dlogvar.data());
      on_every_path(
          [&, r = rows, d = dims, s = stride](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(n), KernelBuffer(wide), KernelBuffer(wide)};
            launch(table.reparameterize_forward,
                   {.rows = r,
                    .dims = d,
                    .stride = s,
                    .mean = mean.data(),
                    .logvar = logvar.data(),
                    .counter = &counter,
                    .operation = operation,
                    .z = out[0].data()},
                   stream);
            table.reparameterize_backward.launch({.rows = r,
                                                  .dims = d,
                                                  .stride = s,
                                                  .logvar = logvar.data(),
                                                  .counter = &counter,
                                                  .operation = operation,
                                                  .dz = dz.data(),
                                                  .dmean = out[1].data(),
                                                  .dlogvar = out[2].data()},
                                                 stream);
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], z, 2e-6));
            EXPECT_TRUE(near(out[1], dmean, 0));
            EXPECT_TRUE(near(out[2], dlogvar, 2e-6));
          });
    }
  }
}

TEST(Reparameterize, ReferenceBackwardIsTheDerivative) {
  const std::int64_t rows = 3, dims = 2, stride = 4;  // mean and logvar side by side
  const StepCounter counter{.seed = 3, .step = 4};
  const auto packed = to_double(random_normal(12, 1)), weights = to_double(random_normal(6, 2));
  std::vector<double> z(6), gradient(12);
  const auto loss = [&](const std::vector<double>& x) {
    reference::reparameterize_forward(rows, dims, stride, x.data(), x.data() + 2, counter, 5, z.data());
    return inner_product(weights, z);
  };
  reference::reparameterize_backward(rows, dims, stride, packed.data() + 2, counter, 5, weights.data(),
                                     gradient.data(), gradient.data() + 2);
  EXPECT_TRUE(near(gradient, central_differences(loss, packed), 1e-9));
}

// The noise itself: mean 0 and logvar 0.
std::vector<float> noise(const KernelTable& table, std::int64_t count, StepCounter counter,
                         std::uint32_t operation) {
  const std::vector<float> zeros(static_cast<std::size_t>(count), 0);
  std::vector<float> z(zeros.size());
  launch(table.reparameterize_forward,
         {.rows = 1,
          .dims = count,
          .stride = count,
          .mean = zeros.data(),
          .logvar = zeros.data(),
          .counter = &counter,
          .operation = operation,
          .z = z.data()},
         {});
  return z;
}

double correlation(const std::vector<float>& a, const std::vector<float>& b, std::size_t shift = 0) {
  double sum = 0;
  for (std::size_t i = 0; i + shift < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i + shift]);
  return sum / static_cast<double>(a.size() - shift);
}

// Bounds of five standard errors for moments, and the 0.1 % point of Kolmogorov's distribution: a right generator fails
// one seed in some hundreds, and the seeds here are fixed.
TEST(ReparameterizeNoise, IsStandardNormal) {
  constexpr std::int64_t count = 1 << 20;
  constexpr double n = count;
  for (const KernelPath& path : kernel_paths()) {
    for (const std::uint64_t seed : {1ULL, 2ULL, 0xdeadbeefULL << 16}) {
      SCOPED_TRACE(testing::Message() << path.name << ", seed " << seed);
      auto z = noise(*path.table, count, {.seed = seed, .step = 10}, 3);
      double moments[5] = {};
      for (const float x : z) {
        double power = 1;
        for (double& moment : moments) {
          moment += power / n;
          power *= static_cast<double>(x);
        }
      }
      EXPECT_NEAR(moments[1], 0, 5 / std::sqrt(n));
      EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2 / n));
      EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15 / n));
      EXPECT_NEAR(moments[4], 3, 5 * std::sqrt(96 / n));
      for (const std::size_t shift : {1, 2, 3, 4, 16, 64}) {
        EXPECT_NEAR(correlation(z, z, shift), 0, 5 / std::sqrt(n)) << shift << " elements apart";
      }
      std::sort(z.begin(), z.end());
      double distance = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {
        const double probability = std::erfc(-static_cast<double>(z[i]) / std::sqrt(2.0)) / 2;
        distance = std::max({distance, probability - static_cast<double>(i) / n,
                             (static_cast<double>(i) + 1) / n - probability});
      }
      EXPECT_LT(distance * std::sqrt(n), 1.95);
      EXPECT_LT(-5.8F, z.front());
      EXPECT_LT(z.back(), 5.8F);
    }
  }
}

// Box–Muller pairs share a radius: their squares, too, must not be correlated.
TEST(ReparameterizeNoise, PairsAreIndependent) {
  constexpr std::int64_t count = 1 << 20;
  auto z = noise(*kernel_paths().front().table, count, {.seed = 5, .step = 0}, 0);
  double covariance = 0;
  for (std::size_t i = 0; i < z.size(); i += 2) {
    const double a = z[i], b = z[i + 1];
    covariance += (a * a - 1) * (b * b - 1);
  }
  const double pairs = static_cast<double>(z.size()) / 2;
  EXPECT_NEAR(covariance / pairs, 0, 5 * std::sqrt(4 / pairs));
}

TEST(ReparameterizeNoise, DiffersWithSeedStepAndOperationInEveryBit) {
  constexpr std::int64_t count = 1 << 16;
  const KernelTable& table = *kernel_paths().front().table;
  const StepCounter base{.seed = 9, .step = 100};
  const auto z = noise(table, count, base, 2);
  EXPECT_TRUE(identical(noise(table, count, base, 2), z));
  EXPECT_TRUE(identical(noise(table, 1000, base, 2), std::vector<float>(z.begin(), z.begin() + 1000)))
      << "the noise of an element depends on the number of elements";
  const struct {
    StepCounter counter;
    std::uint32_t operation;
  } others[] = {{{.seed = 8, .step = 100}, 2},
                {{.seed = 9 + (1ULL << 40), .step = 100}, 2},
                {{.seed = 9, .step = 101}, 2},
                {{.seed = 9, .step = 100 + (1ULL << 33)}, 2},
                {{.seed = 9, .step = 100}, 3}};
  for (const auto& other : others) {
    EXPECT_NEAR(correlation(noise(table, count, other.counter, other.operation), z), 0,
                5 / std::sqrt(double{count}));
  }
}

TEST(Reparameterize, BackwardMakesTheNoiseOfForwardAgain) {
  constexpr std::int64_t rows = 130, dims = 10;
  constexpr std::size_t n = rows * dims;
  const StepCounter counter{.seed = 12, .step = 34};
  const auto mean = random_normal(n, 1), logvar = random_normal(n, 2);
  const std::vector<float> dz(n, 2.0F);  // then dlogvar = z − mean
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out(3, KernelBuffer(n));
        launch(table.reparameterize_forward,
               {.rows = rows,
                .dims = dims,
                .stride = dims,
                .mean = mean.data(),
                .logvar = logvar.data(),
                .counter = &counter,
                .operation = 1,
                .z = out[0].data()},
               stream);
        table.reparameterize_backward.launch({.rows = rows,
                                              .dims = dims,
                                              .stride = dims,
                                              .logvar = logvar.data(),
                                              .counter = &counter,
                                              .operation = 1,
                                              .dz = dz.data(),
                                              .dmean = out[1].data(),
                                              .dlogvar = out[2].data()},
                                             stream);
        return out;
      },
      [&](const Outputs& out) {
        for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(out[2][i], out[0][i] - mean[i], 2e-6) << i;
      });
}

TEST(Reparameterize, NanStaysNanAndAVanishingVarianceGivesTheMean) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> mean = {nan, 1, 2, 3}, logvar = {0, nan, -400, 0};
  const StepCounter counter{.seed = 1};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(4)};
        launch(table.reparameterize_forward,
               {.rows = 2,
                .dims = 2,
                .stride = 2,
                .mean = mean.data(),
                .logvar = logvar.data(),
                .counter = &counter,
                .z = out[0].data()},
               stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_TRUE(std::isnan(out[0][0]));
        EXPECT_TRUE(std::isnan(out[0][1]));
        EXPECT_EQ(out[0][2], 2);
        EXPECT_TRUE(std::isfinite(out[0][3]));
      });
}

}  // namespace
}  // namespace cuelbo::test
