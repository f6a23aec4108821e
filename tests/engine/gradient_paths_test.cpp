// Gradients that meet: fused activations, tensors and parameters used more than once, views, contributions of other shapes.
#include "tests/engine/double_operations.hpp"
#include "tests/engine/gradient_check.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo::test {
namespace {

GradientInput random(Shape shape, std::uint64_t seed, float bound = 1) {
  const std::int64_t n = element_count(shape);
  return {std::move(shape), uniform(n, seed, -bound, bound)};
}

// x (7, 5) and the weights and biases of two layers, 5 → 6 → 4.
std::vector<GradientInput> two_layers() {
  return {random({7, 5}, 1), random({6, 5}, 2), random({6}, 3), random({4, 6}, 4), random({4}, 5)};
}

constexpr Activation curved[] = {Activation::relu, Activation::leaky_relu, Activation::tanh,
                                 Activation::sigmoid};

class FusedActivation : public testing::TestWithParam<Activation> {};
INSTANTIATE_TEST_SUITE_P(All, FusedActivation, testing::ValuesIn(curved));

TEST_P(FusedActivation, IntoTheNextLinear) {
  const Activation activation = GetParam();
  check_gradients({.inputs = two_layers(),
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         return linear(linear(t[0], t[1], t[2], activation), t[3], t[4]);
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         return in_double::linear(in_double::linear(x[0], x[1], x[2], 7, activation), x[3],
                                                  x[4], 7);
                       }});
}

TEST_P(FusedActivation, OfActivateItself) {
  const Activation activation = GetParam();
  check_gradients(
      {.inputs = {random({7, 6}, 1), random({4, 6}, 2)},
       .record = [=](Program&,
                     const std::vector<Tensor>& t) { return linear(activate(t[0], activation), t[1], {}); },
       .reference =
           [=](const std::vector<Doubles>& x) {
             return in_double::linear(in_double::activate(x[0], activation), x[1], {}, 7);
           }});
}

TEST_P(FusedActivation, ThroughReshapes) {
  const Activation activation = GetParam();
  check_gradients({.inputs = {random({6, 5}, 1), random({6, 5}, 2), random({6}, 3), random({4, 12}, 4)},
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = linear(t[0], t[1], t[2], activation);
                         return linear(reshape(reshape(hidden, {2, 18}), {3, 12}), t[3], {});
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         return in_double::linear(in_double::linear(x[0], x[1], x[2], 6, activation), x[3],
                                                  {}, 3);
                       }});
}

TEST_P(FusedActivation, NotWhenUsedTwice) {
  const Activation activation = GetParam();
  check_gradients({.inputs = two_layers(),
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = linear(t[0], t[1], t[2], activation);
                         const Tensor a = linear(hidden, t[3], t[4]),
                                      b = linear(hidden, t[3], t[4], Activation::tanh);
                         return add(a, b);
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         const Doubles hidden = in_double::linear(x[0], x[1], x[2], 7, activation);
                         const Doubles a = in_double::linear(hidden, x[3], x[4], 7);
                         return in_double::add(a, in_double::linear(hidden, x[3], x[4], 7, Activation::tanh));
                       }});
}

// multiply does not fuse: only one of the two contributions would have the derivative.
TEST_P(FusedActivation, NotBesideAConsumerThatDoesNotFuse) {
  const Activation activation = GetParam();
  for (const bool through_view : {false, true})
    check_gradients({.inputs = {random({7, 5}, 1), random({6, 5}, 2), random({6}, 3), random({6, 6}, 4)},
                     .record =
                         [=](Program&, const std::vector<Tensor>& t) {
                           const Tensor y = linear(t[0], t[1], t[2], activation);
                           const Tensor hidden = through_view ? reshape(y, {7, 6}) : y;
                           return multiply(linear(hidden, t[3], {}), hidden);
                         },
                     .reference =
                         [=](const std::vector<Doubles>& x) {
                           const Doubles hidden = in_double::linear(x[0], x[1], x[2], 7, activation);
                           return in_double::multiply(in_double::linear(hidden, x[3], {}, 7), hidden);
                         }});
}

TEST_P(FusedActivation, NotWhenAReshapeIsUsedBesideTheOriginal) {
  const Activation activation = GetParam();
  check_gradients({.inputs = {random({6, 5}, 1), random({6, 5}, 2), random({6}, 3), random({4, 12}, 4),
                              random({2, 6}, 5)},
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = linear(t[0], t[1], t[2], activation);
                         const Tensor a = linear(reshape(hidden, {3, 12}), t[3], {});
                         return concat_columns({a, reshape(linear(hidden, t[4], {}), {3, 4})});
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         const Doubles hidden = in_double::linear(x[0], x[1], x[2], 6, activation);
                         const Doubles a = in_double::linear(hidden, x[3], {}, 3);
                         return in_double::concat(a, in_double::linear(hidden, x[4], {}, 6), 3);
                       }});
}

TEST_P(FusedActivation, OnTopOfAnother) {
  const Activation activation = GetParam();
  check_gradients(
      {.inputs = two_layers(),
       .record =
           [=](Program&, const std::vector<Tensor>& t) {
             const Tensor hidden = activate(linear(t[0], t[1], t[2], activation), Activation::tanh);
             return linear(hidden, t[3], t[4]);
           },
       .reference =
           [=](const std::vector<Doubles>& x) {
             const Doubles hidden = in_double::linear(x[0], x[1], x[2], 7, activation);
             return in_double::linear(in_double::activate(hidden, Activation::tanh), x[3], x[4], 7);
           }});
}

// A consumer of a part of the tensor only must not claim the activation of the whole.
TEST_P(FusedActivation, BeforeSlices) {
  const Activation activation = GetParam();
  check_gradients({.inputs = {random({7, 5}, 1), random({6, 5}, 2), random({6}, 3), random({4, 3}, 4)},
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = linear(t[0], t[1], t[2], activation);
                         return add(linear(slice_columns(hidden, 0, 3), t[3], {}),
                                    linear(slice_columns(hidden, 3, 3), t[3], {}));
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         const Doubles hidden = in_double::linear(x[0], x[1], x[2], 7, activation);
                         return in_double::add(
                             in_double::linear(in_double::slice(hidden, 7, 0, 3), x[3], {}, 7),
                             in_double::linear(in_double::slice(hidden, 7, 3, 3), x[3], {}, 7));
                       }});
}

TEST_P(FusedActivation, OfBatchNormIntoALinear) {
  const Activation activation = GetParam();
  check_gradients(
      {.inputs = {random({7, 6}, 1), random({6}, 2), random({6}, 3), random({4, 6}, 4)},
       .record =
           [=](Program& program, const std::vector<Tensor>& t) {
             const Floats zeros(6, 0.F);
             const Tensor mean = program.parameter(program.parameters().create("mean", {6}, zeros, false));
             const Tensor variance = program.parameter(program.parameters().create("var", {6}, zeros, false));
             return linear(batch_norm(t[0], {t[1], t[2], mean, variance}, true, activation), t[3], {});
           },
       .reference =
           [=](const std::vector<Doubles>& x) {
             return in_double::linear(in_double::batch_norm(x[0], x[1], x[2], activation), x[3], {}, 7);
           },
       .value_tolerance = 1e-5,
       .gradient_tolerance = 5e-5});
}

TEST_P(FusedActivation, OfAConvolutionThroughAReshapeIntoALinear) {
  const Activation activation = GetParam();
  const Conv2dGeometry geometry{.kernel = 3, .stride = 2, .padding = 1};
  const auto shape = in_double::conv2d_shape({2, 5, 5, 2}, 4, geometry);
  check_gradients(
      {.inputs = {random({2, 5, 5, 2}, 1), random({4, 3, 3, 2}, 2, 0.4F), random({4}, 3),
                  random({3, 36}, 4, 0.3F)},
       .record =
           [=](Program&, const std::vector<Tensor>& t) {
             return linear(reshape(conv2d(t[0], t[1], t[2], geometry, activation), {2, 36}), t[3], {});
           },
       .reference =
           [=](const std::vector<Doubles>& x) {
             return in_double::linear(in_double::conv2d(shape, x[0], x[1], x[2], activation), x[3], {}, 2);
           }});
}

TEST_P(FusedActivation, OfALinearThroughAReshapeIntoATransposedConvolution) {
  const Activation activation = GetParam();
  const Conv2dGeometry geometry{.kernel = 4, .stride = 2, .padding = 1};
  const auto shape = in_double::conv2d_shape({2, 6, 6, 2}, 4, geometry);
  check_gradients({.inputs = {random({2, 5}, 1), random({36, 5}, 2), random({4, 4, 4, 2}, 3, 0.4F)},
                   .record =
                       [=](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = reshape(linear(t[0], t[1], {}, activation), {2, 3, 3, 4});
                         return conv2d_transpose(hidden, t[2], {}, geometry);
                       },
                   .reference =
                       [=](const std::vector<Doubles>& x) {
                         return in_double::conv2d_transpose(
                             shape, in_double::linear(x[0], x[1], {}, 2, activation), x[2], {});
                       }});
}

TEST(GradientPaths, AParameterUsedThreeTimes) {
  check_gradients({.inputs = {random({3, 5}, 1), random({5, 5}, 2, 0.5F), random({5}, 3)},
                   .record =
                       [](Program&, const std::vector<Tensor>& t) {
                         Tensor x = t[0];
                         for (int i = 0; i < 3; ++i) x = linear(x, t[1], t[2], Activation::tanh);
                         return x;
                       },
                   .reference =
                       [](const std::vector<Doubles>& in) {
                         Doubles x = in[0];
                         for (int i = 0; i < 3; ++i)
                           x = in_double::linear(x, in[1], in[2], 3, Activation::tanh);
                         return x;
                       }});
}

TEST(GradientPaths, OneTensorAsBothOperands) {
  check_gradients(
      {.inputs = {random({3, 5}, 1)},
       .record = [](Program&,
                    const std::vector<Tensor>& t) { return multiply(add(t[0], t[0]), multiply(t[0], t[0])); },
       .reference =
           [](const std::vector<Doubles>& x) {
             return in_double::multiply(in_double::add(x[0], x[0]), in_double::multiply(x[0], x[0]));
           }});
  check_gradients(
      {.inputs = {random({4, 4}, 1)},
       .record = [](Program&, const std::vector<Tensor>& t) { return linear(t[0], t[0], {}); },
       .reference = [](const std::vector<Doubles>& x) { return in_double::linear(x[0], x[0], {}, 4); }});
}

// The gradient of a + b is one tensor for both; changing it in place for one must not change the other's.
TEST(GradientPaths, OneGradientForTwoBranches) {
  check_gradients({.inputs = {random({3, 5}, 1), random({3, 5}, 2)},
                   .record =
                       [](Program&, const std::vector<Tensor>& t) {
                         const Tensor a = affine(t[0], 3, 1), b = exp(t[1]);
                         const Tensor c = add(a, b);
                         return add(activate(c, Activation::tanh), multiply(a, b));
                       },
                   .reference =
                       [](const std::vector<Doubles>& x) {
                         Doubles y(x[0].size());
                         for (std::size_t i = 0; i < y.size(); ++i) {
                           const double a = 3 * x[0][i] + 1, b = std::exp(x[1][i]);
                           y[i] = std::tanh(a + b) + a * b;
                         }
                         return y;
                       }});
}

TEST(GradientPaths, AddendsOfDifferentShapes) {
  // The gradient that add hands back has the first addend's shape; what produced the second reads it by its own.
  check_gradients(
      {.inputs = {random({3, 4}, 1), random({6, 1}, 2), random({6, 1}, 3)},
       .record = [](Program&,
                    const std::vector<Tensor>& t) { return add(t[0], concat_columns({t[1], t[2]})); },
       .reference =
           [](const std::vector<Doubles>& x) {
             return in_double::add(x[0], in_double::concat(x[1], x[2], 6));
           }});
  check_gradients(
      {.inputs = {random({4, 3}, 1), random({6, 5}, 2)},
       .record = [](Program&, const std::vector<Tensor>& t) { return add(t[0], slice_columns(t[1], 2, 2)); },
       .reference =
           [](const std::vector<Doubles>& x) {
             return in_double::add(x[0], in_double::slice(x[1], 6, 2, 2));
           }});
  const Conv2dGeometry geometry{.kernel = 2};
  const auto shape = in_double::conv2d_shape({1, 3, 3, 1}, 3, geometry);
  check_gradients(
      {.inputs = {random({12}, 1), random({1, 3, 3, 1}, 2), random({3, 2, 2, 1}, 3), random({3}, 4)},
       .record = [=](Program&,
                     const std::vector<Tensor>& t) { return add(t[0], conv2d(t[1], t[2], t[3], geometry)); },
       .reference =
           [=](const std::vector<Doubles>& x) {
             return in_double::add(x[0], in_double::conv2d(shape, x[1], x[2], x[3]));
           }});
}

TEST(GradientPaths, ABranchThatTheLossDoesNotUse) {
  check_gradients({.inputs = two_layers(),
                   .record =
                       [](Program&, const std::vector<Tensor>& t) {
                         const Tensor hidden = linear(t[0], t[1], t[2], Activation::relu);
                         sum(multiply(hidden, hidden));
                         return linear(hidden, t[3], t[4]);
                       },
                   .reference =
                       [](const std::vector<Doubles>& x) {
                         return in_double::linear(in_double::linear(x[0], x[1], x[2], 7, Activation::relu),
                                                  x[3], x[4], 7);
                       }});
}

// Parameters that the loss does not reach, states and the gaps between parameters take no other's gradient.
TEST(GradientPaths, FlatGradientsHoldEveryParametersGradientAndZeros) {
  Machine machine;
  ParameterSet& parameters = machine.parameters;
  const int state = parameters.create("state", {3, 4}, uniform(12, 1), false);
  parameters.create("unused", {5}, uniform(5, 2));
  const int weight = parameters.create("weight", {2, 3}, uniform(6, 3));
  const int bias = parameters.create("bias", {2}, uniform(2, 4));
  const int state_bias = parameters.create("state bias", {3}, uniform(3, 5), false);
  const int last = parameters.create("last", {1}, uniform(1, 6));

  Program program(*machine.device, parameters);
  const Tensor x = program.input("x", {7, 4});
  // A state beside a trained bias, and a trained weight beside a state: the state's gradient goes nowhere.
  const Tensor hidden = linear(x, program.parameter(state), program.parameter(state_bias), Activation::tanh);
  const Tensor y = linear(hidden, program.parameter(weight), program.parameter(bias));
  linear(y, program.constant("w", {1, 2}, uniform(2, 7)), program.parameter(last));
  const LossGradients gradients = program.gradients(sum(y));
  program.keep(gradients.flat());
  program.keep(hidden);
  program.plan();
  program.write(x, uniform(28, 8));
  program.replay();

  Floats expected(static_cast<std::size_t>(parameters.trained_count()), 0.F);
  const Floats h = program.read(hidden);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t r = 0; r < 7; ++r)
      expected[static_cast<std::size_t>(parameters.parameter(weight).offset) + i] += h[r * 3 + i % 3];
  for (std::size_t i = 0; i < 2; ++i)
    expected[static_cast<std::size_t>(parameters.parameter(bias).offset) + i] = 7;
  EXPECT_TRUE(all_close(program.read(gradients.flat()), expected, {1e-6, 1e-6}));
}

// The sweep reaches the layer with the state last: a place among the gradients would be the first weight's.
TEST(GradientPaths, AStateTakesNoPlaceAmongTheGradients) {
  Machine machine;
  ParameterSet& parameters = machine.parameters;
  const int weight = parameters.create("weight", {2, 3}, uniform(6, 1));
  const int bias = parameters.create("bias", {3}, uniform(3, 2));
  const int state = parameters.create("state", {3, 4}, uniform(12, 3), false);
  Program program(*machine.device, parameters);
  const Tensor x = program.input("x", {7, 4});
  const Tensor hidden = linear(x, program.parameter(state), program.parameter(bias));
  const LossGradients gradients = program.gradients(sum(linear(hidden, program.parameter(weight), {})));
  const Tensor gradient = gradients.of(program.parameter(weight));
  program.keep(gradient);
  program.keep(hidden);
  program.plan();
  program.write(x, uniform(28, 4));
  program.replay();
  const Floats h = program.read(hidden);
  Doubles expected(6);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t r = 0; r < 7; ++r) expected[i] += h[r * 3 + i % 3];
  EXPECT_TRUE(all_close(program.read(gradient), expected, {1e-6, 1e-6}));
}

// Two losses over two groups, as of a model and its adversary: y = x·wᵀ is judged by v. Each sweep has the gradients of its own
// groups only, equal to those of a program of its own.
TEST(GradientPaths, LossesAndGroupsAreSweptApart) {
  const auto run = [](const std::vector<int>& losses, const std::vector<int>& groups) {
    Machine machine;
    ParameterSet& parameters = machine.parameters;
    const int judge = parameters.create_group("judge");
    const int w = parameters.create("w", {3, 4}, uniform(12, 1));
    const int v = parameters.create("v", {1, 3}, uniform(3, 2), true, judge);
    Program program(*machine.device, parameters);
    const Tensor x = program.input("x", {7, 4});
    const Tensor y = linear(x, program.parameter(w), {}, Activation::tanh);
    const Tensor score = linear(y, program.parameter(v), {}, Activation::sigmoid);
    const std::vector<Tensor> recorded{sum(multiply(score, score)), sum(score, -1)};
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const LossGradients gradients =
          program.gradients(recorded[static_cast<std::size_t>(losses[i])], {groups[i]});
      flat.push_back(gradients.flat(groups[i]));
      const LossGradients of_all = program.gradients(recorded[static_cast<std::size_t>(losses[i])]);
      flat.push_back(of_all.flat(groups[i]));
      EXPECT_TRUE(fails_with([&] { static_cast<void>(gradients.flat(1 - groups[i])); },
                             "not differentiated with respect to group " + std::to_string(1 - groups[i])));
      const Tensor other = program.parameter(groups[i] == judge ? w : v);
      EXPECT_TRUE(fails_with([&] { static_cast<void>(gradients.of(other)); }, "has no gradient"));
    }
    for (const Tensor t : flat) program.keep(t);
    program.plan();
    program.write(x, uniform(28, 3));
    program.replay();
    std::vector<Floats> values;
    for (std::size_t i = 0; i < flat.size(); i += 2) {
      values.push_back(program.read(flat[i]));
      EXPECT_TRUE(same_bits(program.read(flat[i + 1]), values.back())) << "among those of all groups";
    }
    return values;
  };
  const std::vector<Floats> both = run({0, 1}, {0, 1});
  EXPECT_TRUE(same_bits(both[0], run({0}, {0})[0]));
  EXPECT_TRUE(same_bits(both[1], run({1}, {1})[0]));
  EXPECT_TRUE(same_bits(both[0], run({1, 0}, {1, 0})[1])) << "in the other order";
  EXPECT_EQ(both[1].size(), 16U);
  for (const Floats& gradient : both) EXPECT_NE(gradient.front(), 0);
}

}  // namespace
}  // namespace cuelbo::test
