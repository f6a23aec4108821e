#include "kernels/linear/linear_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

struct LinearShape {
  std::int64_t rows, in, out;
  std::size_t x() const { return static_cast<std::size_t>(rows * in); }
  std::size_t y() const { return static_cast<std::size_t>(rows * out); }
  std::size_t weight() const { return static_cast<std::size_t>(in * out); }
};

std::ostream& operator<<(std::ostream& stream, const LinearShape& s) {
  return stream << s.rows << " x " << s.in << " -> " << s.out;
}

// Ones, primes, around the register tiles of all paths, and what models use.
const std::vector<LinearShape> shapes = {
    {1, 1, 1},   {2, 3, 5},     {7, 13, 11},   {8, 16, 32},    {9, 17, 33},   {6, 8, 16},   {5, 7, 15},
    {4, 4, 8},   {3, 31, 9},    {1, 784, 400}, {64, 100, 10},  {16, 256, 20}, {33, 23, 47}, {13, 1, 65},
    {65, 64, 1}, {127, 40, 23}, {64, 784, 80}, {257, 65, 129}, {128, 256, 64}};

constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                      Activation::tanh, Activation::sigmoid};

std::vector<float> forward(const KernelTable& table, const LinearShape& s, Activation activation,
                           const std::vector<float>& x, const std::vector<float>& weight,
                           const std::vector<float>* bias) {
  KernelBuffer y(s.y());
  launch(table.linear_forward, {.rows = s.rows,
                                .in = s.in,
                                .out = s.out,
                                .x = x.data(),
                                .weight = weight.data(),
                                .bias = bias == nullptr ? nullptr : bias->data(),
                                .activation = activation,
                                .y = y.data()});
  return y.values();
}

TEST(Linear, ForwardMatchesReference) {
  for (const LinearShape& s : shapes) {
    for (const Activation activation : activations) {
      SCOPED_TRACE(testing::Message() << s << ", activation " << static_cast<int>(activation));
      const auto x = random_normal(s.x(), 1), bias = random_normal(static_cast<std::size_t>(s.out), 3);
      const auto weight = scaled(random_normal(s.weight(), 2), static_cast<float>(1 / std::sqrt(s.in)));
      for (const bool with_bias : {true, false}) {
        LinearForward args{.rows = s.rows, .in = s.in, .out = s.out, .activation = activation};
        std::vector<double> expected(s.y());
        reference::linear_forward(args, to_double(x).data(), to_double(weight).data(),
                                  with_bias ? to_double(bias).data() : nullptr, expected.data());
        on_every_path(
            [&](const KernelTable& table, Stream stream) {
              Outputs out{KernelBuffer(s.y())};
              args.x = x.data(), args.weight = weight.data(), args.y = out[0].data();
              args.bias = with_bias ? bias.data() : nullptr;
              launch(table.linear_forward, args, stream);
              return out;
            },
            [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 3e-6)); });
      }
    }
  }
}

TEST(Linear, BackwardDataMatchesReference) {
  for (const LinearShape& s : shapes) {
    for (const Activation activation : activations) {
      SCOPED_TRACE(testing::Message() << s << ", activation " << static_cast<int>(activation));
      const auto dy = random_normal(s.y(), 1), x = random_normal(s.x(), 3);
      const auto weight = scaled(random_normal(s.weight(), 2), static_cast<float>(1 / std::sqrt(s.out)));
      LinearBackwardData args{.rows = s.rows, .in = s.in, .out = s.out, .activation = activation};
      std::vector<double> expected(s.x());
      reference::linear_backward_data(args, to_double(dy).data(), to_double(weight).data(),
                                      to_double(x).data(), expected.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(s.x())};
            args.dy = dy.data(), args.weight = weight.data(), args.dx = out[0].data();
            args.x = activation == Activation::identity ? nullptr : x.data();
            launch(table.linear_backward_data, args, stream);
            return out;
          },
          [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 1e-5)); });
    }
  }
}

TEST(Linear, BackwardWeightMatchesReference) {
  for (const LinearShape& s : shapes) {
    SCOPED_TRACE(testing::Message() << s);
    const auto x = scaled(random_normal(s.x(), 1), static_cast<float>(1 / std::sqrt(s.rows)));
    const auto dy = random_normal(s.y(), 2);
    LinearBackwardWeight args{.rows = s.rows, .in = s.in, .out = s.out};
    std::vector<double> expected(s.weight()), expected_bias(static_cast<std::size_t>(s.out));
    reference::linear_backward_weight(args, to_double(x).data(), to_double(dy).data(), expected.data(),
                                      expected_bias.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(s.weight()), KernelBuffer(s.weight()), KernelBuffer(expected_bias.size())};
          args.x = x.data(), args.dy = dy.data(), args.dweight = out[0].data(), args.dbias = nullptr;
          launch(table.linear_backward_weight, args, stream);
          args.dweight = out[1].data(), args.dbias = out[2].data();
          launch(table.linear_backward_weight, args, stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], expected, 3e-6));
          EXPECT_TRUE(identical(out[1], out[0])) << "the bias gradient changes nothing else";
          EXPECT_TRUE(near(out[2], expected_bias, 1e-5));
        });
  }
}

// Sums of small integers are exact in any order, so that nothing hides in a tolerance.
TEST(Linear, IsExactForSmallIntegers) {
  for (const LinearShape& s : shapes) {
    SCOPED_TRACE(testing::Message() << s);
    const auto x = random_integers(s.x(), 1), weight = random_integers(s.weight(), 2),
               dy = random_integers(s.y(), 3);
    const auto bias = random_integers(static_cast<std::size_t>(s.out), 4);
    std::vector<float> y(s.y()), dx(s.x()), dweight(s.weight()), dbias(bias.size());
    const LinearForward forward_shape{.rows = s.rows, .in = s.in, .out = s.out};
    reference::linear_forward(forward_shape, x.data(), weight.data(), bias.data(), y.data());
    reference::linear_backward_data({.rows = s.rows, .in = s.in, .out = s.out}, dy.data(), weight.data(),
                                    static_cast<const float*>(nullptr), dx.data());
    reference::linear_backward_weight({.rows = s.rows, .in = s.in, .out = s.out}, x.data(), dy.data(),
                                      dweight.data(), dbias.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(s.y()), KernelBuffer(s.x()), KernelBuffer(s.weight()),
                      KernelBuffer(dbias.size())};
          launch(table.linear_forward,
                 {.rows = s.rows,
                  .in = s.in,
                  .out = s.out,
                  .x = x.data(),
                  .weight = weight.data(),
                  .bias = bias.data(),
                  .y = out[0].data()},
                 stream);
          launch(table.linear_backward_data,
                 {.rows = s.rows,
                  .in = s.in,
                  .out = s.out,
                  .dy = dy.data(),
                  .weight = weight.data(),
                  .dx = out[1].data()},
                 stream);
          launch(table.linear_backward_weight,
                 {.rows = s.rows,
                  .in = s.in,
                  .out = s.out,
                  .x = x.data(),
                  .dy = dy.data(),
                  .dweight = out[2].data(),
                  .dbias = out[3].data()},
                 stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], y, 0));
          EXPECT_TRUE(near(out[1], dx, 0));
          EXPECT_TRUE(near(out[2], dweight, 0));
          EXPECT_TRUE(near(out[3], dbias, 0));
        });
  }
}

TEST(Linear, NanOfOneRowStaysInIt) {
  const LinearShape s{9, 17, 33};
  auto x = random_normal(s.x(), 1);
  const auto weight = random_normal(s.weight(), 2);
  for (const KernelPath& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    const auto clean = forward(*path.table, s, Activation::relu, x, weight, nullptr);
    auto spoilt_x = x;
    spoilt_x[static_cast<std::size_t>(4 * s.in)] = std::numeric_limits<float>::quiet_NaN();
    const auto spoilt = forward(*path.table, s, Activation::relu, spoilt_x, weight, nullptr);
    for (std::int64_t i = 0; i < s.rows * s.out; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i / s.out == 4)
        EXPECT_TRUE(std::isnan(spoilt[at]));
      else
        EXPECT_EQ(spoilt[at], clean[at]);
    }
  }
}

TEST(Linear, ReferenceGradientsAreDerivatives) {
  const LinearShape s{3, 4, 5};
  const std::vector<double> x = to_double(random_normal(s.x(), 1)),
                            weight = to_double(random_normal(s.weight(), 2));
  const std::vector<double> bias = to_double(random_normal(5, 3)), dy = to_double(random_normal(s.y(), 4));
  for (const Activation activation : activations) {
    SCOPED_TRACE(static_cast<int>(activation));
    const auto activated = [&](std::vector<double> values) {
      for (double& value : values) value = reference::activate(activation, value);
      return values;
    };
    // loss = <dy, weight · activation(x) + bias>: as backward_data has it, the activation is the one before the layer.
    const auto loss = [&](const std::vector<double>& x_, const std::vector<double>& w,
                          const std::vector<double>& b) {
      std::vector<double> y(s.y());
      reference::linear_forward({.rows = s.rows, .in = s.in, .out = s.out}, activated(x_).data(), w.data(),
                                b.data(), y.data());
      return inner_product(dy, y);
    };
    std::vector<double> dx(s.x()), dweight(s.weight()), dbias(5);
    reference::linear_backward_data({.rows = s.rows, .in = s.in, .out = s.out, .activation = activation},
                                    dy.data(), weight.data(), activated(x).data(), dx.data());
    reference::linear_backward_weight({.rows = s.rows, .in = s.in, .out = s.out}, activated(x).data(),
                                      dy.data(), dweight.data(), dbias.data());
    EXPECT_TRUE(near(dx, central_differences([&](const auto& v) { return loss(v, weight, bias); }, x), 1e-8));
    EXPECT_TRUE(
        near(dweight, central_differences([&](const auto& v) { return loss(x, v, bias); }, weight), 1e-8));
    EXPECT_TRUE(
        near(dbias, central_differences([&](const auto& v) { return loss(x, weight, v); }, bias), 1e-8));
  }
}

TEST(Linear, CostCountsOperandsOnceAndBothOperations) {
  const Cost c = cost(LinearForward{.rows = 2, .in = 3, .out = 5});
  EXPECT_EQ(c.flops, 2 * 2 * 3 * 5);
  EXPECT_EQ(c.bytes, 4 * (2 * 3 + 3 * 5 + 2 * 5));
}

}  // namespace
}  // namespace cuelbo::test
