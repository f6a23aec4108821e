#include "kernels/batch_norm/batch_norm_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Around vector lengths and chunks of 128 rows × 1024 columns; the channels of a convolutional encoder.
const std::vector<Shape> shapes = {{2, 1},   {2, 17},   {3, 5},    {127, 16}, {128, 31},  {129, 33},
                                   {257, 3}, {64, 256}, {1000, 1}, {5, 1025}, {1024, 32}, {4097, 64}};

struct Forward {
  std::vector<double> running_mean, running_variance, mean, inverse_deviation, y;
};

Forward reference_forward(Shape shape, const std::vector<float>& x, const std::vector<float>& scale,
                          const std::vector<float>& shift, Activation activation) {
  const auto c = size(shape.columns);
  Forward f{std::vector<double>(c, 0.25), std::vector<double>(c, 2), std::vector<double>(c),
            std::vector<double>(c), std::vector<double>(x.size())};
  reference::batch_norm_forward(shape.rows, shape.columns, to_double(x).data(), to_double(scale).data(),
                                to_double(shift).data(), activation, f.running_mean.data(),
                                f.running_variance.data(), f.mean.data(), f.inverse_deviation.data(),
                                f.y.data());
  return f;
}

TEST(BatchNorm, ForwardMatchesReference) {
  for (const Shape shape : shapes) {
    for (const Activation activation : {Activation::identity, Activation::relu, Activation::tanh}) {
      SCOPED_TRACE(testing::Message()
                   << shape.rows << "x" << shape.columns << ", activation " << static_cast<int>(activation));
      const auto n = size(shape.rows * shape.columns), c = size(shape.columns);
      const auto x = scaled(random_normal(n, 1), 2, 0.7F), scale = random_normal(c, 2),
                 shift = random_normal(c, 3);
      const Forward expected = reference_forward(shape, x, scale, shift, activation);
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{std::vector<float>(c, 0.25F), std::vector<float>(c, 2), KernelBuffer(c),
                        KernelBuffer(c), KernelBuffer(n)};
            BatchNormForward args{.rows = shape.rows,
                                  .channels = shape.columns,
                                  .x = x.data(),
                                  .scale = scale.data(),
                                  .shift = shift.data(),
                                  .activation = activation,
                                  .running_mean = out[0].data(),
                                  .running_variance = out[1].data(),
                                  .mean = out[2].data(),
                                  .inverse_deviation = out[3].data(),
                                  .y = out[4].data()};
            launch(table.batch_norm_forward, args, stream);
            Outputs in_place{std::vector<float>(c, 0), std::vector<float>(c, 0), x};
            args.x = args.y = in_place[2].data();
            args.running_mean = in_place[0].data();
            args.running_variance = in_place[1].data();
            launch(table.batch_norm_forward, args, stream);
            EXPECT_TRUE(identical(in_place[2], out[4])) << "in place";
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], expected.running_mean, 3e-7));
            EXPECT_TRUE(near(out[1], expected.running_variance, 1e-6));
            EXPECT_TRUE(near(out[2], expected.mean, 3e-7));
            EXPECT_TRUE(near(out[3], expected.inverse_deviation, 1e-6));
            EXPECT_TRUE(near(out[4], expected.y, 3e-6));
          });
    }
  }
}

// A mean a thousand deviations away: E x² − (E x)² would lose every digit of the variance.
TEST(BatchNorm, VarianceSurvivesALargeMean) {
  const Shape shape{4097, 5};
  const auto n = size(shape.rows * shape.columns);
  const auto x = scaled(random_normal(n, 1), 0.1F, 100);
  const std::vector<float> scale(5, 1), shift(5, 0);
  const Forward expected = reference_forward(shape, x, scale, shift, Activation::identity);
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{std::vector<float>(5, 0), std::vector<float>(5, 1), KernelBuffer(5), KernelBuffer(5),
                    KernelBuffer(n)};
        launch(table.batch_norm_forward,
               BatchNormForward{.rows = shape.rows,
                                .channels = shape.columns,
                                .x = x.data(),
                                .scale = scale.data(),
                                .shift = shift.data(),
                                .running_mean = out[0].data(),
                                .running_variance = out[1].data(),
                                .mean = out[2].data(),
                                .inverse_deviation = out[3].data(),
                                .y = out[4].data()},
               stream);
        return out;
      },
      [&](const Outputs& out) {
        // The mean, rounded to fp32, is off by up to 4e-6: 4e-5 deviations.
        EXPECT_TRUE(near(out[2], expected.mean, 1e-7));
        EXPECT_TRUE(near(out[3], expected.inverse_deviation, 1e-6));
        EXPECT_TRUE(near(out[4], expected.y, 5e-5));
      });
}

TEST(BatchNorm, InferenceMatchesReference) {
  for (const Shape shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << "x" << shape.columns);
    const auto n = size(shape.rows * shape.columns), c = size(shape.columns);
    const auto x = random_normal(n, 1), scale = random_normal(c, 2), shift = random_normal(c, 3),
               mean = random_normal(c, 4);
    auto variance = random_normal(c, 5);
    for (float& v : variance) v = v * v;
    std::vector<double> y(n);
    reference::batch_norm_inference(shape.rows, shape.columns, to_double(x).data(), to_double(scale).data(),
                                    to_double(shift).data(), Activation::leaky_relu, to_double(mean).data(),
                                    to_double(variance).data(), y.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(n), x};
          BatchNormInference args{.rows = shape.rows,
                                  .channels = shape.columns,
                                  .x = x.data(),
                                  .scale = scale.data(),
                                  .shift = shift.data(),
                                  .activation = Activation::leaky_relu,
                                  .running_mean = mean.data(),
                                  .running_variance = variance.data(),
                                  .y = out[0].data()};
          launch(table.batch_norm_inference, args, stream);
          args.x = args.y = out[1].data();
          launch(table.batch_norm_inference, args, stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], y, 1e-6));
          EXPECT_TRUE(identical(out[1], out[0])) << "in place";
        });
  }
}

TEST(BatchNorm, BackwardMatchesReference) {
  for (const Shape shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.rows << "x" << shape.columns);
    const auto n = size(shape.rows * shape.columns), c = size(shape.columns);
    const auto x = scaled(random_normal(n, 1), 2, 0.7F), scale = random_normal(c, 2),
               dy = random_normal(n, 3);
    const Forward forward = reference_forward(shape, x, scale, scale, Activation::identity);
    const std::vector<float> mean(forward.mean.begin(), forward.mean.end());
    const std::vector<float> inverse(forward.inverse_deviation.begin(), forward.inverse_deviation.end());
    std::vector<double> dx(n), dscale(c), dshift(c);
    reference::batch_norm_backward(shape.rows, shape.columns, to_double(x).data(), to_double(scale).data(),
                                   to_double(mean).data(), to_double(inverse).data(), to_double(dy).data(),
                                   dx.data(), dscale.data(), dshift.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(n), KernelBuffer(c), KernelBuffer(c), dy};
          BatchNormBackward args{.rows = shape.rows,
                                 .channels = shape.columns,
                                 .x = x.data(),
                                 .scale = scale.data(),
                                 .mean = mean.data(),
                                 .inverse_deviation = inverse.data(),
                                 .dy = dy.data(),
                                 .dx = out[0].data(),
                                 .dscale = out[1].data(),
                                 .dshift = out[2].data()};
          launch(table.batch_norm_backward, args, stream);
          args.dy = args.dx = out[3].data();
          launch(table.batch_norm_backward, args, stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], dx, 3e-6));
          // Sums of `rows` terms of order one.
          const double tolerance = 2e-7 * std::sqrt(static_cast<double>(shape.rows)) + 1e-6;
          EXPECT_TRUE(near(out[1], dscale, tolerance));
          EXPECT_TRUE(near(out[2], dshift, tolerance));
          EXPECT_TRUE(identical(out[3], out[0])) << "in place";
        });
  }
}

TEST(BatchNorm, ReferenceBackwardIsTheDerivative) {
  const std::int64_t rows = 5, channels = 3;
  const auto weights = to_double(random_normal(15, 1));
  const auto packed = to_double(random_normal(15 + 3 + 3, 2));  // x, scale, shift
  std::vector<double> mean(3), inverse(3), y(15), gradient(21);
  const auto loss = [&](const std::vector<double>& p) {
    std::vector<double> running_mean(3), running_variance(3);
    reference::batch_norm_forward(rows, channels, p.data(), p.data() + 15, p.data() + 18,
                                  Activation::identity, running_mean.data(), running_variance.data(),
                                  mean.data(), inverse.data(), y.data());
    return inner_product(weights, y);
  };
  const auto expected = central_differences(loss, packed);
  loss(packed);
  reference::batch_norm_backward(rows, channels, packed.data(), packed.data() + 15, mean.data(),
                                 inverse.data(), weights.data(), gradient.data(), gradient.data() + 15,
                                 gradient.data() + 18);
  EXPECT_TRUE(near(gradient, expected, 1e-8));
}

TEST(BatchNorm, NanReachesItsChannelOnlyAndAConstantChannelGivesTheShift) {
  constexpr std::int64_t rows = 200, channels = 3;
  auto x = random_normal(rows * channels, 1);
  x[150 * channels] = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t r = 0; r < rows; ++r) x[r * channels + 1] = 4;
  const std::vector<float> scale = {1, 2, 3}, shift = {0.5F, -0.5F, 0};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{std::vector<float>(3, 0), std::vector<float>(3, 1), KernelBuffer(3), KernelBuffer(3),
                    KernelBuffer(rows * channels)};
        launch(table.batch_norm_forward,
               BatchNormForward{.rows = rows,
                                .channels = channels,
                                .x = x.data(),
                                .scale = scale.data(),
                                .shift = shift.data(),
                                .running_mean = out[0].data(),
                                .running_variance = out[1].data(),
                                .mean = out[2].data(),
                                .inverse_deviation = out[3].data(),
                                .y = out[4].data()},
               stream);
        return out;
      },
      [&](const Outputs& out) {
        for (std::size_t r = 0; r < rows; ++r) {
          EXPECT_TRUE(std::isnan(out[4][r * channels]));
          EXPECT_EQ(out[4][r * channels + 1], -0.5F);
          EXPECT_TRUE(std::isfinite(out[4][r * channels + 2]));
        }
        EXPECT_TRUE(std::isnan(out[0][0]));
        EXPECT_TRUE(std::isnan(out[1][0]));
        EXPECT_NEAR(out[3][1], 1 / std::sqrt(1e-5), 1e-3);
      });
}

}  // namespace
}  // namespace cuelbo::test
