#include "kernels/bernoulli/bernoulli_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

std::vector<float> grey_values(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<float> values(n);
  for (float& x : values) x = static_cast<float>(generator() % 256) / 255;
  return values;
}

TEST(Bernoulli, MatchesReferenceWithAndWithoutGradient) {
  for (const auto [rows, pixels] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << pixels);
    const auto n = static_cast<std::size_t>(rows * pixels), b = static_cast<std::size_t>(rows);
    const auto logits = scaled(random_normal(n, 1), 5), target = grey_values(n, 2);
    std::vector<double> log_likelihood(b), dlogits(n);
    reference::bernoulli_forward(rows, pixels, to_double(logits).data(), to_double(target).data(),
                                 log_likelihood.data(), dlogits.data());
    on_every_path(
        [&, r = rows, c = pixels](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(b), KernelBuffer(n), KernelBuffer(b), KernelBuffer(b), logits};
          const auto run = [&](const float* l, float* value, float* gradient) {
            table.bernoulli_forward.launch({.rows = r,
                                            .pixels = c,
                                            .logits = l,
                                            .target = target.data(),
                                            .log_likelihood = value,
                                            .dlogits = gradient},
                                           stream);
          };
          run(logits.data(), out[0].data(), out[1].data());
          run(logits.data(), out[2].data(), nullptr);
          run(out[4].data(), out[3].data(), out[4].data());
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], log_likelihood, 1e-6));
          EXPECT_TRUE(near(out[1], dlogits, 3e-7));
          EXPECT_TRUE(identical(out[2], out[0])) << "without gradient";
          EXPECT_TRUE(identical(out[3], out[0])) << "in place";
          EXPECT_TRUE(identical(out[4], out[1])) << "in place";
        });
  }
}

TEST(Bernoulli, ReferenceGradientIsTheDerivative) {
  const auto logits = to_double(scaled(random_normal(12, 3), 2)), target = to_double(grey_values(12, 4));
  std::vector<double> log_likelihood(3), dlogits(12);
  const auto loss = [&](const std::vector<double>& x) {
    reference::bernoulli_forward(3, 4, x.data(), target.data(), log_likelihood.data(), dlogits.data());
    return log_likelihood[0] + log_likelihood[1] + log_likelihood[2];
  };
  const auto expected = central_differences(loss, logits);
  loss(logits);
  EXPECT_TRUE(near(dlogits, expected, 1e-9));
}

// A decoder that is sure of every pixel of a 64×64×3 image: each term is tiny, and the sum must still be right relative
// to itself, not to 12288 · log 2.
TEST(Bernoulli, KeepsRelativeAccuracyForCertainPixels) {
  constexpr std::int64_t pixels = 12288;
  for (const float certainty : {1.0F, 5.0F, 10.0F, 15.0F, 30.0F, 80.0F}) {
    SCOPED_TRACE(certainty);
    std::vector<float> target = random_integers(pixels, 5), logits(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      target[i] = target[i] > 0 ? 1.0F : 0.0F;
      logits[i] = target[i] > 0 ? certainty : -certainty;
    }
    const double term = std::log1p(std::exp(-static_cast<double>(certainty)));
    const double slope = 1 / (1 + std::exp(static_cast<double>(certainty)));
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(1), KernelBuffer(pixels)};
          table.bernoulli_forward.launch({.rows = 1,
                                          .pixels = pixels,
                                          .logits = logits.data(),
                                          .target = target.data(),
                                          .log_likelihood = out[0].data(),
                                          .dlogits = out[1].data()},
                                         stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_NEAR(out[0][0] / (-pixels * term), 1, 1e-6);
          for (std::size_t i = 0; i < pixels; ++i) {
            ASSERT_NEAR(out[1][i] / (target[i] > 0 ? slope : -slope), 1, 1e-6) << i;
          }
        });
  }
}

TEST(Bernoulli, ExtremeLogitsStayFiniteAndNanReachesItsRowOnly) {
  const std::vector<float> logits = {-100, 100,   100,   -100, std::numeric_limits<float>::quiet_NaN(),
                                     0,    1e30F, -1e30F};
  const std::vector<float> target = {0, 1, 0, 1, 1, 0, 0, 1};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(4), KernelBuffer(8)};
        table.bernoulli_forward.launch({.rows = 4,
                                        .pixels = 2,
                                        .logits = logits.data(),
                                        .target = target.data(),
                                        .log_likelihood = out[0].data(),
                                        .dlogits = out[1].data()},
                                       stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_NEAR(out[0][0], 0, 1e-40);
        EXPECT_EQ(out[0][1], -200);
        EXPECT_TRUE(std::isnan(out[0][2]));
        EXPECT_EQ(out[0][3], -2e30F);
        EXPECT_TRUE(std::isnan(out[1][4]));
        const float expected[] = {0, 0, -1, 1, 0, -0.5F, -1, 1};
        for (const std::size_t i : {0, 1, 2, 3, 5, 6, 7}) EXPECT_NEAR(out[1][i], expected[i], 1e-7) << i;
      });
}

}  // namespace
}  // namespace cuelbo::test
