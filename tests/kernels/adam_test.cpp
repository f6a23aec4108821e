#include "kernels/adam/adam_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

// Around the size of a task or of a block; a hundred steps of more would take most of a minute on simt.
#if defined(CUELBO_SIMT)
constexpr std::int64_t long_counts[] = {1, 17, 1021, 1025};
#else
constexpr std::int64_t long_counts[] = {1, 17, 1021, 16383, 16385, 40009};
#endif

AdamStep step_at(int t, double learning_rate) {
  return {.learning_rate = static_cast<float>(learning_rate),
          .first_correction = static_cast<float>(1 / (1 - std::pow(0.9, t))),
          .second_correction = static_cast<float>(1 / (1 - std::pow(0.999, t)))};
}

TEST(Adam, FollowsADoublePrecisionRunForAHundredSteps) {
  for (const std::int64_t count : long_counts) {
    for (const float clip : {0.0F, 1.5F}) {
      SCOPED_TRACE(testing::Message() << count << ", clip " << clip);
      const auto n = static_cast<std::size_t>(count);
      const auto start = random_normal(n, 1);
      std::vector<double> parameter = to_double(start), first(n, 0), second(n, 0);
      std::vector<std::vector<float>> gradients;
      for (int t = 1; t <= 100; ++t) {
        gradients.push_back(random_normal(n, 100 + static_cast<std::uint64_t>(t)));
        const auto gradient = to_double(gradients.back());
        reference::adam(count, 0.9, 0.999, 1e-8, static_cast<double>(clip), 1e-3, 1 / (1 - std::pow(0.9, t)),
                        1 / (1 - std::pow(0.999, t)), inner_product(gradient, gradient), gradient.data(),
                        parameter.data(), first.data(), second.data());
      }
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{start, std::vector<float>(n, 0), std::vector<float>(n, 0)};
            for (int t = 1; t <= 100; ++t) {
              const std::vector<float>& gradient = gradients[static_cast<std::size_t>(t - 1)];
              float square_sum = 0;
              launch(table.sum_of_squares,
                     SumOfSquares{.count = count, .x = gradient.data(), .y = &square_sum}, stream);
              const AdamStep step = step_at(t, 1e-3);
              table.adam.launch({.count = count,
                                 .clip = clip,
                                 .step = &step,
                                 .gradient_square_sum = clip > 0 ? &square_sum : nullptr,
                                 .gradient = gradient.data(),
                                 .parameter = out[0].data(),
                                 .first = out[1].data(),
                                 .second = out[2].data()},
                                stream);
            }
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], parameter, 3e-6));
            EXPECT_TRUE(near(out[1], first, 1e-6));
            EXPECT_TRUE(near(out[2], second, 1e-6));
          });
    }
  }
}

// Golden figures: the algorithm in the documentation of torch.optim.Adam (lr 0.01, betas (0.9, 0.999), eps 1e-8), after
// torch.nn.utils.clip_grad_norm_, evaluated in Python's float64 for the gradient g_i = (i + 1)·sin(t + i) + p_i / 4.
TEST(Adam, MatchesTorchsFormula) {
  const struct {
    float clip;
    std::vector<double> after_1, after_10, after_100;
  } runs[] = {{0,
               {0.990000000091619, -2.009999999924162, 0.490000000182362},
               {0.943090886570763, -1.986584882349281, 0.512955291937702},
               {0.692568358463081, -1.703308080924915, 0.465294590987582}},
              {0.5F,
               {0.990000000329357, -2.009999999727374, 0.490000000655560},
               {0.942871815981966, -1.996786864205378, 0.509216172268266},
               {0.672548789332227, -1.776507039381486, 0.448174729070881}}};
  for (const auto& run : runs) {
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{std::vector<float>{1, -2, 0.5F}, std::vector<float>(3, 0), std::vector<float>(3, 0),
                      KernelBuffer(3), KernelBuffer(3)};
          for (int t = 1; t <= 100; ++t) {
            std::vector<float> gradient(3);
            float square_sum = 0;
            for (std::size_t i = 0; i < 3; ++i) {
              gradient[i] =
                  static_cast<float>(std::sin(t + static_cast<double>(i)) * static_cast<double>(i + 1)) +
                  out[0][i] / 4;
              square_sum += gradient[i] * gradient[i];
            }
            const AdamStep step = step_at(t, 0.01);
            table.adam.launch({.count = 3,
                               .clip = run.clip,
                               .step = &step,
                               .gradient_square_sum = &square_sum,
                               .gradient = gradient.data(),
                               .parameter = out[0].data(),
                               .first = out[1].data(),
                               .second = out[2].data()},
                              stream);
            if (t == 1) std::copy_n(out[0].data(), 3, out[3].data());
            if (t == 10) std::copy_n(out[0].data(), 3, out[4].data());
          }
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[3], run.after_1, 1e-7));
          EXPECT_TRUE(near(out[4], run.after_10, 1e-6));
          EXPECT_TRUE(near(out[0], run.after_100, 3e-6));
        });
  }
}

KernelBuffer after_one_step(const KernelTable& table, Stream stream, float clip, float square_sum,
                            float gradient, float start = 0) {
  KernelBuffer parameter(std::vector<float>{start, start});
  std::vector<float> first(2, 0), second(2, 0);
  const std::vector<float> gradients = {gradient, 0};
  const AdamStep step = step_at(1, 0.125);
  table.adam.launch({.count = 2,
                     .clip = clip,
                     .step = &step,
                     .gradient_square_sum = &square_sum,
                     .gradient = gradients.data(),
                     .parameter = parameter.data(),
                     .first = first.data(),
                     .second = second.data()},
                    stream);
  return parameter;
}

// The first step moves every parameter with a gradient by the learning rate, whatever the gradient's size, and the others
// not at all.
TEST(Adam, FirstStepIsTheLearningRate) {
  for (const float gradient : {1e-3F, 1.0F, -1e6F}) {
    on_every_path([&](const KernelTable& table,
                      Stream stream) { return Outputs{after_one_step(table, stream, 0, 0, gradient)}; },
                  [&](const Outputs& out) {
                    EXPECT_NEAR(out[0][0], gradient > 0 ? -0.125 : 0.125, 2e-6);
                    EXPECT_EQ(out[0][1], 0);
                  });
  }
}

TEST(Adam, NanGradientReachesItsParameterOnly) {
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        return Outputs{after_one_step(table, stream, 0, 0, std::numeric_limits<float>::quiet_NaN())};
      },
      [&](const Outputs& out) {
        EXPECT_TRUE(std::isnan(out[0][0]));
        EXPECT_EQ(out[0][1], 0);
      });
}

TEST(Adam, ANormThatIsNotFiniteChangesNothing) {
  for (const float norm : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const float clip : {0.0F, 1.0F}) {
      on_every_path([&](const KernelTable& table,
                        Stream stream) { return Outputs{after_one_step(table, stream, clip, norm, 1, 3)}; },
                    [&](const Outputs& out) { EXPECT_TRUE(identical(out[0], std::vector<float>{3, 3})); });
    }
  }
}

}  // namespace
}  // namespace cuelbo::test
