// Every operation's value and gradient against its double reference.
#include <numeric>

#include "kernels/bernoulli/bernoulli_reference.hpp"
#include "kernels/concrete/concrete_reference.hpp"
#include "kernels/elementwise/elementwise_reference.hpp"
#include "kernels/gaussian/gaussian_reference.hpp"
#include "kernels/reduce/reduce_reference.hpp"
#include "kernels/reparameterize/reparameterize_reference.hpp"
#include "kernels/softmax/softmax_reference.hpp"
#include "kernels/transpose/transpose_reference.hpp"
#include "tests/engine/double_operations.hpp"
#include "tests/engine/gradient_check.hpp"

namespace cuelbo::test {
namespace {

namespace reference = kernels::reference;
using in_double::zeros;

constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                      Activation::tanh, Activation::sigmoid};
constexpr std::int64_t matrices[][2] = {{1, 1}, {2, 1}, {1, 3}, {7, 13}, {16, 16}, {17, 31}, {128, 10}};

GradientInput random(Shape shape, std::uint64_t seed, float low = -1, float high = 1) {
  const std::int64_t n = element_count(shape);
  return {std::move(shape), uniform(n, seed, low, high)};
}

std::string trace(std::int64_t a, std::int64_t b) { return std::to_string(a) + " x " + std::to_string(b); }

TEST(Gradient, Linear) {
  struct Size {
    std::int64_t rows, in, out;
  };
  for (const auto [rows, in, out] :
       {Size{1, 1, 1}, {2, 3, 5}, {7, 13, 11}, {17, 31, 33}, {32, 784, 10}, {8, 10, 200}})
    for (const Activation activation : activations)
      for (const bool biased : {true, false}) {
        SCOPED_TRACE(trace(rows, in) + " to " + std::to_string(out) + ", activation " +
                     std::to_string(static_cast<int>(activation)) + (biased ? "" : ", no bias"));
        const float bound = 1 / std::sqrt(static_cast<float>(in));
        GradientCase check{.inputs = {random({rows, in}, 1), random({out, in}, 2, -bound, bound)}};
        if (biased) check.inputs.push_back(random({out}, 3));
        check.record = [=](Program&, const std::vector<Tensor>& t) {
          return linear(t[0], t[1], biased ? t[2] : Tensor{}, activation);
        };
        check.reference = [=](const std::vector<Doubles>& x) {
          return in_double::linear(x[0], x[1], biased ? x[2] : Doubles{}, rows, activation);
        };
        check_gradients(check);
      }
}

TEST(Gradient, LinearOfMoreThanTwoAxes) {
  check_gradients(
      {.inputs = {random({2, 3, 5}, 1), random({4, 5}, 2), random({4}, 3)},
       .record = [](Program&, const std::vector<Tensor>& t) { return linear(t[0], t[1], t[2]); },
       .reference = [](const std::vector<Doubles>& x) { return in_double::linear(x[0], x[1], x[2], 6); }});
}

TEST(Gradient, Activate) {
  for (const Activation activation : activations)
    for (const auto [rows, columns] : matrices) {
      SCOPED_TRACE(trace(rows, columns) + ", activation " + std::to_string(static_cast<int>(activation)));
      check_gradients(
          {.inputs = {{{rows, columns}, away_from_zero(rows * columns, 1)}},
           .record = [=](Program&, const std::vector<Tensor>& t) { return activate(t[0], activation); },
           .reference =
               [=](const std::vector<Doubles>& x) { return in_double::activate(x[0], activation); }});
    }
}

TEST(Gradient, Softmax) {
  for (const bool logarithm : {false, true})
    for (const auto [rows, classes] : matrices) {
      SCOPED_TRACE(trace(rows, classes) + (logarithm ? ", logarithm" : ""));
      check_gradients({.inputs = {random({rows, classes}, 1, -3, 3)},
                       .record =
                           [=](Program&, const std::vector<Tensor>& t) {
                             return logarithm ? log_softmax(t[0]) : softmax(t[0]);
                           },
                       .reference =
                           [=](const std::vector<Doubles>& x) {
                             Doubles y = zeros(rows * classes);
                             reference::softmax_forward<double>(rows, classes, x[0].data(),
                                                                logarithm ? nullptr : y.data(),
                                                                logarithm ? y.data() : nullptr);
                             return y;
                           }});
    }
}

BatchNormParameters with_estimates(Program& program, Tensor scale, Tensor shift) {
  ParameterSet& parameters = program.parameters();
  const Shape& shape = scale.shape();
  const int mean =
      parameters.create("running mean", shape, Floats(static_cast<std::size_t>(scale.size()), 0.F), false);
  const int variance = parameters.create("running variance", shape,
                                         Floats(static_cast<std::size_t>(scale.size()), 1.F), false);
  return {scale, shift, program.parameter(mean), program.parameter(variance)};
}

TEST(Gradient, BatchNorm) {
  for (const Shape& shape : {Shape{3, 1}, {7, 13}, {130, 17}, {2, 3, 5, 32}})
    for (const Activation activation : activations) {
      SCOPED_TRACE(to_string(shape) + ", activation " + std::to_string(static_cast<int>(activation)));
      const std::int64_t channels = shape.back();
      check_gradients(
          {.inputs = {random(shape, 4, -2, 3), random({channels}, 2, 0.5F, 2), random({channels}, 3)},
           .record =
               [=](Program& program, const std::vector<Tensor>& t) {
                 return batch_norm(t[0], with_estimates(program, t[1], t[2]), true, activation);
               },
           .reference =
               [=](const std::vector<Doubles>& x) {
                 return in_double::batch_norm(x[0], x[1], x[2], activation);
               },
           .value_tolerance = 5e-6,
           .gradient_tolerance = 5e-5});
    }
}

TEST(Gradient, BernoulliLogLikelihood) {
  for (const Shape& shape : {Shape{1, 1}, {3, 7}, {17, 33}, {2, 28, 28, 1}, {5, 784}}) {
    SCOPED_TRACE(to_string(shape));
    const std::int64_t rows = shape[0], pixels = element_count(shape) / rows;
    const Floats target = uniform(rows * pixels, 2, 0, 1);
    check_gradients({.inputs = {random(shape, 1, -4, 4)},
                     .record =
                         [=](Program& program, const std::vector<Tensor>& t) {
                           return bernoulli_log_likelihood(t[0], program.constant("target", shape, target));
                         },
                     .reference =
                         [=](const std::vector<Doubles>& x) {
                           Doubles y = zeros(rows);
                           reference::bernoulli_forward<double>(rows, pixels, x[0].data(),
                                                                to_double(target).data(), y.data(), nullptr);
                           return y;
                         }});
  }
}

TEST(Gradient, GaussianLogLikelihood) {
  constexpr float deviation = 0.3F;
  for (const Shape& shape : {Shape{1, 1}, {3, 7}, {17, 33}, {2, 8, 8, 3}}) {
    SCOPED_TRACE(to_string(shape));
    const std::int64_t rows = shape[0], pixels = element_count(shape) / rows;
    const Floats target = uniform(rows * pixels, 2, 0, 1);
    check_gradients(
        {.inputs = {random(shape, 1)},
         .record =
             [=](Program& program, const std::vector<Tensor>& t) {
               return gaussian_log_likelihood(t[0], program.constant("target", shape, target), deviation);
             },
         .reference =
             [=](const std::vector<Doubles>& x) {
               Doubles y = zeros(rows);
               reference::gaussian_likelihood_forward<double>(rows, pixels, deviation, x[0].data(),
                                                              to_double(target).data(), y.data(), nullptr);
               return y;
             }});
  }
}

TEST(Gradient, GaussianLogDensity) {
  for (const auto [rows, columns] : matrices) {
    SCOPED_TRACE(trace(rows, columns));
    check_gradients(
        {.inputs = {random({rows, columns}, 1), random({rows, columns}, 2),
                    random({rows, columns}, 3, -2, 2)},
         .record = [](Program&,
                      const std::vector<Tensor>& t) { return gaussian_log_density(t[0], t[1], t[2]); },
         .reference =
             [](const std::vector<Doubles>& x) {
               Doubles y = x[0];
               reference::gaussian_density_forward<double>(std::ssize(y), x[0].data(), x[1].data(),
                                                           x[2].data(), y.data());
               return y;
             }});
    check_gradients(
        {.inputs = {random({rows, columns}, 1)},
         .record = [](Program&, const std::vector<Tensor>& t) { return gaussian_log_density(t[0]); },
         .reference =
             [](const std::vector<Doubles>& x) {
               Doubles y = x[0];
               reference::gaussian_density_forward<double>(std::ssize(y), x[0].data(), nullptr, nullptr,
                                                           y.data());
               return y;
             }});
  }
}

// The operation before takes noise number 0.
TEST(Gradient, Reparameterize) {
  for (const auto [rows, dims] : matrices) {
    SCOPED_TRACE(trace(rows, dims));
    check_gradients({.inputs = {random({rows, dims}, 1), random({rows, dims}, 2, -3, 1)},
                     .record =
                         [](Program& program, const std::vector<Tensor>& t) {
                           EXPECT_EQ(program.next_noise_operation(), 0U);
                           return reparameterize(t[0], t[1]);
                         },
                     .reference =
                         [=](const std::vector<Doubles>& x) {
                           Doubles z = zeros(rows * dims);
                           reference::reparameterize_forward<double>(rows, dims, dims, x[0].data(),
                                                                     x[1].data(), noise_step, 1, z.data());
                           return z;
                         },
                     .value_tolerance = 5e-6});
  }
}

TEST(Gradient, Concrete) {
  for (const float temperature : {0.66F, 2.F})
    for (const auto [rows, classes] : matrices) {
      SCOPED_TRACE(trace(rows, classes));
      check_gradients(
          {.inputs = {random({rows, classes}, 1, -2, 2)},
           .record = [=](Program&, const std::vector<Tensor>& t) { return concrete(t[0], temperature); },
           .reference =
               [=](const std::vector<Doubles>& x) {
                 Doubles y = zeros(rows * classes);
                 reference::concrete_forward<double>(rows, classes, temperature, x[0].data(), noise_step, 0,
                                                     y.data());
                 return y;
               },
           .value_tolerance = 1e-5,
           .gradient_tolerance = 5e-5});
    }
}

TEST(Gradient, Arithmetic) {
  for (const auto [rows, columns] : matrices) {
    SCOPED_TRACE(trace(rows, columns));
    const Shape shape = {rows, columns};
    check_gradients({.inputs = {random(shape, 1), random(shape, 2)},
                     .record = [](Program&, const std::vector<Tensor>& t) { return add(t[0], t[1]); },
                     .reference = [](const std::vector<Doubles>& x) { return in_double::add(x[0], x[1]); }});
    check_gradients(
        {.inputs = {random(shape, 1), random(shape, 2)},
         .record = [](Program&, const std::vector<Tensor>& t) { return multiply(t[0], t[1]); },
         .reference = [](const std::vector<Doubles>& x) { return in_double::multiply(x[0], x[1]); }});
    check_gradients(
        {.inputs = {random(shape, 1)},
         .record = [](Program&, const std::vector<Tensor>& t) { return affine(t[0], -2.5F, 0.75F); },
         .reference =
             [](const std::vector<Doubles>& x) {
               Doubles y = x[0];
               reference::affine<double>(std::ssize(y), -2.5, 0.75, y.data(), y.data());
               return y;
             }});
    check_gradients({.inputs = {random(shape, 1, -3, 3)},
                     .record = [](Program&, const std::vector<Tensor>& t) { return exp(t[0]); },
                     .reference =
                         [](const std::vector<Doubles>& x) {
                           Doubles y = x[0];
                           reference::exp<double>(std::ssize(y), y.data(), y.data());
                           return y;
                         }});
  }
}

TEST(Gradient, Sums) {
  for (const auto [rows, columns] : matrices) {
    SCOPED_TRACE(trace(rows, columns));
    const auto check = [&](const std::function<Tensor(Tensor)>& operation, std::int64_t outputs,
                           double factor, auto sums) {
      check_gradients({.inputs = {random({rows, columns}, 1)},
                       .record = [=](Program&, const std::vector<Tensor>& t) { return operation(t[0]); },
                       .reference =
                           [=, rows = rows, columns = columns](const std::vector<Doubles>& x) {
                             Doubles y = zeros(outputs);
                             sums(outputs == 1 ? 1 : rows, outputs == 1 ? rows * columns : columns, factor,
                                  x[0].data(), y.data());
                             return y;
                           }});
    };
    if (columns > 1)
      check([](Tensor x) { return sum_rows(x, -1.5F); }, columns, -1.5, reference::sum_rows<double>);
    if (rows > 1) {
      check([](Tensor x) { return sum_columns(x, 0.5F); }, rows, 0.5, reference::sum_columns<double>);
      if (columns > 1)
        check([](Tensor x) { return mean_rows(x); }, columns, 1.0 / static_cast<double>(rows),
              reference::sum_rows<double>);
    }
    check([](Tensor x) { return sum(x, 3); }, 1, 3, reference::sum_columns<double>);
  }
}

TEST(Gradient, Layout) {
  for (const auto [rows, columns] : matrices) {
    SCOPED_TRACE(trace(rows, columns));
    check_gradients(
        {.inputs = {random({rows, columns}, 1)},
         .record = [=, rows = rows, columns = columns](
                       Program&, const std::vector<Tensor>& t) { return reshape(t[0], {columns, 1, rows}); },
         .reference = [](const std::vector<Doubles>& x) { return x[0]; }});
    check_gradients({.inputs = {random({2, rows, columns}, 1)},
                     .record = [](Program&, const std::vector<Tensor>& t) { return transpose(t[0]); },
                     .reference =
                         [=, rows = rows, columns = columns](const std::vector<Doubles>& x) {
                           Doubles y(x[0].size());
                           kernels::reference::transpose(2, rows, columns, x[0].data(), y.data());
                           return y;
                         }});
    for (const std::int64_t begin : {std::int64_t{0}, columns / 2, columns - 1})
      check_gradients({.inputs = {random({rows, columns}, 1)},
                       .record =
                           [=, columns = columns](Program&, const std::vector<Tensor>& t) {
                             return slice_columns(t[0], begin, columns - begin);
                           },
                       .reference =
                           [=, rows = rows, columns = columns](const std::vector<Doubles>& x) {
                             return in_double::slice(x[0], rows, begin, columns - begin);
                           }});
    check_gradients({.inputs = {random({rows, columns}, 1), random({rows, 3}, 2), random({rows, 1}, 3)},
                     .record = [](Program&, const std::vector<Tensor>& t) { return concat_columns(t); },
                     .reference =
                         [=, rows = rows](const std::vector<Doubles>& x) {
                           return in_double::concat(in_double::concat(x[0], x[1], rows), x[2], rows);
                         }});
    check_gradients({.inputs = {random({rows, columns}, 1)},
                     .record = [](Program&, const std::vector<Tensor>& t) { return concat_columns(t); },
                     .reference = [](const std::vector<Doubles>& x) { return x[0]; }});
  }
}

}  // namespace
}  // namespace cuelbo::test
