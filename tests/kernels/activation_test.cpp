#include "kernels/activation/activation_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

constexpr Activation all_activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                          Activation::tanh, Activation::sigmoid};

TEST(Activation, MatchesReferenceForwardAndBackward) {
  for (const Activation activation : all_activations) {
    for (const std::int64_t count : element_counts) {
      SCOPED_TRACE(testing::Message()
                   << "activation " << static_cast<int>(activation) << ", count " << count);
      const auto n = static_cast<std::size_t>(count);
      const auto x = scaled(random_normal(n, 1), 3), dy = random_normal(n, 2);
      std::vector<double> y(n), dx(n);
      reference::activation_forward(count, activation, to_double(x).data(), y.data());
      const std::vector<float> saved(y.begin(), y.end());
      reference::activation_backward(count, activation, to_double(saved).data(), to_double(dy).data(),
                                     dx.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(n), x, KernelBuffer(n), dy};
            const auto forward = [&](const float* from, float* to) {
              table.activation_forward.launch({.count = count, .activation = activation, .x = from, .y = to},
                                              stream);
            };
            const auto backward = [&](const float* from, float* to) {
              table.activation_backward.launch(
                  {.count = count, .activation = activation, .y = saved.data(), .dy = from, .dx = to},
                  stream);
            };
            forward(x.data(), out[0].data());
            forward(out[1].data(), out[1].data());
            backward(dy.data(), out[2].data());
            backward(out[3].data(), out[3].data());
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], y, 3e-7));
            EXPECT_TRUE(identical(out[1], out[0])) << "in place";
            EXPECT_TRUE(near(out[2], dx, 5e-7));
            EXPECT_TRUE(identical(out[3], out[2])) << "in place";
          });
    }
  }
}

TEST(Activation, ReferenceBackwardIsTheDerivative) {
  const std::vector<double> x = {-3, -1.1, -0.4, -0.01, 0.02, 0.3, 0.9, 2.5};
  const std::vector<double> weights = {0.3, -1, 0.7, 2, -0.2, 1, 0.5, -1.5};
  const auto count = static_cast<std::int64_t>(x.size());
  for (const Activation activation : all_activations) {
    SCOPED_TRACE(static_cast<int>(activation));
    std::vector<double> y(x.size()), dx(x.size());
    const auto loss = [&](const std::vector<double>& at) {
      reference::activation_forward(count, activation, at.data(), y.data());
      return inner_product(weights, y);
    };
    const auto expected = central_differences(loss, x);
    loss(x);
    reference::activation_backward(count, activation, y.data(), weights.data(), dx.data());
    EXPECT_TRUE(near(dx, expected, 1e-9));
  }
}

TEST(Activation, ExtremeInputsSaturateAndNanStaysNan) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {-100,   100, -infinity, infinity, std::numeric_limits<float>::quiet_NaN(),
                                1e-20F, 0};
  const std::vector<float> expected[] = {x,
                                         {0, 100, 0, infinity, x[4], 1e-20F, 0},
                                         {-1, 100, -infinity, infinity, x[4], 1e-20F, 0},
                                         {-1, 1, -1, 1, x[4], 1e-20F, 0},
                                         {0, 1, 0, 1, x[4], 0.5F, 0.5F}};
  for (const Activation activation : all_activations) {
    SCOPED_TRACE(static_cast<int>(activation));
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(x.size())};
          table.activation_forward.launch({.count = static_cast<std::int64_t>(x.size()),
                                           .activation = activation,
                                           .x = x.data(),
                                           .y = out[0].data()},
                                          stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected[static_cast<int>(activation)], 1e-7)); });
  }
}

// relu' is 1 where y is NaN, so that a NaN gradient and a NaN output both reach the input.
TEST(Activation, NanGradientStaysNan) {
  const std::vector<float> y = {0.5F, 0.5F, 0.5F}, dy = {1, std::numeric_limits<float>::quiet_NaN(), 1};
  for (const Activation activation : all_activations) {
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(3)};
          table.activation_backward.launch(
              {.count = 3, .activation = activation, .y = y.data(), .dy = dy.data(), .dx = out[0].data()},
              stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(std::isfinite(out[0][0]));
          EXPECT_TRUE(std::isnan(out[0][1]));
          EXPECT_TRUE(std::isfinite(out[0][2]));
        });
  }
}

}  // namespace
}  // namespace cuelbo::test
