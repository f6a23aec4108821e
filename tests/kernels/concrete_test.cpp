#include "kernels/concrete/concrete_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

const StepCounter counter{.seed = 0x9e3779b97f4a7c15, .step = 41};
constexpr std::uint32_t operation = 11;

TEST(Concrete, ForwardMatchesReference) {
  for (const auto [rows, classes] : matrix_shapes) {
    for (const float temperature : {0.66F, 0.1F}) {
      SCOPED_TRACE(testing::Message() << rows << "x" << classes << " at " << temperature);
      const auto n = static_cast<std::size_t>(rows * classes);
      const auto logits = scaled(random_normal(n, 1), 2);
      std::vector<double> y(n);
      reference::concrete_forward(rows, classes, static_cast<double>(temperature), to_double(logits).data(),
                                  counter, operation, y.data());
      on_every_path(
          [&, r = rows, c = classes](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(n)};
            table.concrete_forward.launch({.rows = r,
                                           .classes = c,
                                           .temperature = temperature,
                                           .logits = logits.data(),
                                           .counter = &counter,
                                           .operation = operation,
                                           .y = out[0].data()},
                                          stream);
            return out;
          },
          [&](const Outputs& out) { EXPECT_TRUE(near(out[0], y, 1e-6 / temperature)); });
    }
  }
}

TEST(Concrete, BackwardMatchesReference) {
  for (const auto [rows, classes] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << classes);
    constexpr float temperature = 0.5F;
    const auto n = static_cast<std::size_t>(rows * classes);
    std::vector<double> exact(n), dlogits(n);
    reference::concrete_forward(rows, classes, 0.5, to_double(random_normal(n, 1)).data(), counter, operation,
                                exact.data());
    const std::vector<float> y(exact.begin(), exact.end()), dy = random_normal(n, 2);
    reference::concrete_backward(rows, classes, 0.5, to_double(y).data(), to_double(dy).data(),
                                 dlogits.data());
    on_every_path(
        [&, r = rows, c = classes](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(n), dy};
          const auto run = [&](const float* gradient, float* dx) {
            table.concrete_backward.launch({.rows = r,
                                            .classes = c,
                                            .temperature = temperature,
                                            .y = y.data(),
                                            .dy = gradient,
                                            .dlogits = dx},
                                           stream);
          };
          run(dy.data(), out[0].data());
          run(out[1].data(), out[1].data());
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], dlogits, 1e-6));
          EXPECT_TRUE(identical(out[1], out[0])) << "in place";
        });
  }
}

TEST(Concrete, ReferenceBackwardIsTheDerivative) {
  const auto logits = to_double(random_normal(15, 1)), weights = to_double(random_normal(15, 2));
  std::vector<double> y(15), dlogits(15);
  const auto loss = [&](const std::vector<double>& x) {
    reference::concrete_forward(3, 5, 0.66, x.data(), counter, operation, y.data());
    return inner_product(weights, y);
  };
  const auto expected = central_differences(loss, logits);
  loss(logits);
  reference::concrete_backward(3, 5, 0.66, y.data(), weights.data(), dlogits.data());
  EXPECT_TRUE(near(dlogits, expected, 1e-8));
}

// Five standard errors, fixed seeds.
TEST(ConcreteNoise, ReferenceIsStandardGumbel) {
  constexpr std::int64_t count = 1 << 18;
  constexpr double n = count, variance = std::numbers::pi * std::numbers::pi / 6;
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double g = reference::gumbel<double>(counter, operation, i);
    EXPECT_LT(-2.9, g);
    EXPECT_LT(g, 16.7);
    sum += g;
    squares += g * g;
  }
  const double mean = sum / n;
  EXPECT_NEAR(mean, std::numbers::egamma, 5 * std::sqrt(variance / n));
  // The fourth central moment of a Gumbel variable is 5.4 σ⁴.
  EXPECT_NEAR(squares / n - mean * mean, variance, 5 * variance * std::sqrt(4.4 / n));
}

// The largest class of a relaxed sample is a sample of the categorical distribution, at any temperature.
TEST(Concrete, TheLargestClassFollowsTheSoftmaxOfTheLogits) {
  constexpr std::int64_t rows = 1 << 17, classes = 3;
  const float probabilities[classes] = {0.7F, 0.25F, 0.05F};
  std::vector<float> logits;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (const float p : probabilities) logits.push_back(std::log(p) + 2);
  }
  for (const float temperature : {0.2F, 1.0F, 5.0F}) {
    SCOPED_TRACE(temperature);
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(logits.size())};
          table.concrete_forward.launch({.rows = rows,
                                         .classes = classes,
                                         .temperature = temperature,
                                         .logits = logits.data(),
                                         .counter = &counter,
                                         .operation = operation,
                                         .y = out[0].data()},
                                        stream);
          return out;
        },
        [&](const Outputs& out) {
          double chosen[classes] = {};
          for (std::int64_t r = 0; r < rows; ++r) {
            const float* y = out[0].data() + r * classes;
            ASSERT_NEAR(y[0] + y[1] + y[2], 1, 1e-6);
            chosen[std::max_element(y, y + classes) - y] += 1;
          }
          for (std::int64_t k = 0; k < classes; ++k) {
            const double p = static_cast<double>(probabilities[k]), n = rows;
            EXPECT_NEAR(chosen[k] / n, p, 5 * std::sqrt(p * (1 - p) / n)) << "class " << k;
          }
        });
  }
}

TEST(Concrete, ExtremeLogitsStayFiniteAndNanReachesItsRowOnly) {
  const std::vector<float> logits = {100, -100, 100, 100, 0, std::numeric_limits<float>::quiet_NaN()};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(6)};
        table.concrete_forward.launch({.rows = 3,
                                       .classes = 2,
                                       .temperature = 0.01F,
                                       .logits = logits.data(),
                                       .counter = &counter,
                                       .operation = operation,
                                       .y = out[0].data()},
                                      stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_EQ(out[0][0], 1);
        EXPECT_EQ(out[0][1], 0);
        EXPECT_NEAR(out[0][2] + out[0][3], 1, 1e-6);
        EXPECT_TRUE(std::isnan(out[0][4]));
        EXPECT_TRUE(std::isnan(out[0][5]));
      });
}

}  // namespace
}  // namespace cuelbo::test
