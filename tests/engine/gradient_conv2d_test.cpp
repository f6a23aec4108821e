// conv2d and conv2d_transpose, alone and in chains, against the double reference.
#include "tests/engine/double_operations.hpp"
#include "tests/engine/gradient_check.hpp"

namespace cuelbo::test {
namespace {

constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                      Activation::tanh, Activation::sigmoid};

struct Size {
  Shape large;  // (batch, height, width, channels)
  std::int64_t small_channels;
  Conv2dGeometry geometry;
  std::string text() const {
    return to_string(large) + " with " + std::to_string(small_channels) + ", kernel " +
           std::to_string(geometry.kernel) + ", stride " + std::to_string(geometry.stride) + ", padding " +
           std::to_string(geometry.padding);
  }
};

// Several have a last row or column that no window reaches: output_padding of the adjoint is not zero there.
const Size sizes[] = {
    {{1, 1, 1, 1}, 1, {.kernel = 1}},
    {{1, 2, 2, 1}, 1, {.kernel = 2}},
    {{2, 5, 7, 3}, 5, {.kernel = 3, .stride = 1, .padding = 1}},
    {{2, 5, 7, 3}, 5, {.kernel = 3, .stride = 2, .padding = 0}},
    {{3, 7, 7, 2}, 4, {.kernel = 4, .stride = 2, .padding = 1}},
    {{1, 11, 13, 2}, 3, {.kernel = 5, .stride = 3, .padding = 2}},
    {{2, 5, 5, 3}, 2, {.kernel = 2, .stride = 3, .padding = 0}},
};
const Size model_sizes[] = {
    {{1, 64, 64, 1}, 32, {.kernel = 4, .stride = 2, .padding = 1}},
    {{1, 28, 28, 1}, 32, {.kernel = 4, .stride = 2, .padding = 1}},
    {{1, 64, 64, 3}, 8, {.kernel = 4, .stride = 2, .padding = 1}},
    {{1, 16, 16, 32}, 64, {.kernel = 4, .stride = 2, .padding = 1}},
    {{2, 4, 4, 64}, 32, {.kernel = 4, .stride = 1, .padding = 0}},
};

GradientInput random(Shape shape, std::uint64_t seed, float bound = 1) {
  const std::int64_t n = element_count(shape);
  return {std::move(shape), uniform(n, seed, -bound, bound)};
}

std::vector<GradientInput> random_inputs(const Shape& x, const kernels::Conv2dShape& shape,
                                         std::int64_t outputs) {
  const std::int64_t products = shape.kernel * shape.kernel * x.back();
  const float bound = 1 / std::sqrt(static_cast<float>(products));
  return {random(x, 1),
          random({shape.small_channels, shape.kernel, shape.kernel, shape.large_channels}, 2, bound),
          random({outputs}, 3)};
}

void check_conv2d(const Size& size, Activation activation, bool biased) {
  SCOPED_TRACE(size.text() + ", activation " + std::to_string(static_cast<int>(activation)) +
               (biased ? "" : ", no bias"));
  const auto shape = in_double::conv2d_shape(size.large, size.small_channels, size.geometry);
  GradientCase check{.inputs = random_inputs(size.large, shape, size.small_channels)};
  if (!biased) check.inputs.pop_back();
  check.record = [=](Program&, const std::vector<Tensor>& t) {
    return conv2d(t[0], t[1], biased ? t[2] : Tensor{}, size.geometry, activation);
  };
  check.reference = [=](const std::vector<Doubles>& x) {
    return in_double::conv2d(shape, x[0], x[1], biased ? x[2] : Doubles{}, activation);
  };
  check_gradients(check);
}

void check_transpose(const Size& size, Activation activation, bool biased) {
  SCOPED_TRACE(size.text() + ", activation " + std::to_string(static_cast<int>(activation)) +
               (biased ? "" : ", no bias"));
  const auto shape = in_double::conv2d_shape(size.large, size.small_channels, size.geometry);
  // The pixels behind the last window; one number serves both axes, so sizes where they differ have no transpose.
  const auto left_over = [&](std::int64_t n) {
    return (n + 2 * size.geometry.padding - size.geometry.kernel) % size.geometry.stride;
  };
  if (left_over(size.large[1]) != left_over(size.large[2])) return;
  GradientCase check{.inputs = random_inputs(in_double::small_image(shape), shape, size.large[3])};
  if (!biased) check.inputs.pop_back();
  check.record = [=](Program&, const std::vector<Tensor>& t) {
    const Tensor y = conv2d_transpose(t[0], t[1], biased ? t[2] : Tensor{}, size.geometry,
                                      left_over(size.large[1]), activation);
    EXPECT_EQ(y.shape(), size.large);
    return y;
  };
  check.reference = [=](const std::vector<Doubles>& x) {
    return in_double::conv2d_transpose(shape, x[0], x[1], biased ? x[2] : Doubles{}, activation);
  };
  check_gradients(check);
}

TEST(Gradient, Conv2d) {
  for (const Size& size : sizes)
    for (const Activation activation : activations)
      for (const bool biased : {true, false}) check_conv2d(size, activation, biased);
}

TEST(Gradient, Conv2dOfTheModels) {
  for (const Size& size : model_sizes) check_conv2d(size, Activation::relu, true);
}

TEST(Gradient, Conv2dTranspose) {
  for (const Size& size : sizes)
    for (const Activation activation : activations)
      for (const bool biased : {true, false}) check_transpose(size, activation, biased);
}

TEST(Gradient, Conv2dTransposeOfTheModels) {
  for (const Size& size : model_sizes) check_transpose(size, Activation::relu, true);
}

// An encoder and a decoder of two layers each: every activation is fused into the next layer's backward, and conv2d and
// its adjoint feed each other.
TEST(Gradient, Conv2dChain) {
  const Conv2dGeometry geometry{.kernel = 4, .stride = 2, .padding = 1};
  const Shape image = {2, 12, 12, 2};
  const auto outer = in_double::conv2d_shape(image, 3, geometry);
  const auto inner = in_double::conv2d_shape(in_double::small_image(outer), 5, geometry);
  const Shape outer_weight = {3, 4, 4, 2}, inner_weight = {5, 4, 4, 3};
  for (const Activation activation :
       {Activation::relu, Activation::leaky_relu, Activation::tanh, Activation::sigmoid}) {
    SCOPED_TRACE(static_cast<int>(activation));
    check_gradients(
        {.inputs = {random(image, 1), random(outer_weight, 2, 0.4F), random({3}, 3, 0.3F),
                    random(inner_weight, 4, 0.4F), random({5}, 5, 0.3F), random(inner_weight, 6, 0.4F),
                    random({3}, 7, 0.3F), random(outer_weight, 8, 0.4F), random({2}, 9, 0.3F)},
         .record =
             [=](Program&, const std::vector<Tensor>& t) {
               const Tensor a = conv2d(t[0], t[1], t[2], geometry, activation);
               const Tensor b = conv2d(a, t[3], t[4], geometry, activation);
               const Tensor c = conv2d_transpose(b, t[5], t[6], geometry, 0, activation);
               return conv2d_transpose(c, t[7], t[8], geometry);
             },
         .reference =
             [=](const std::vector<Doubles>& x) {
               const Doubles a = in_double::conv2d(outer, x[0], x[1], x[2], activation);
               const Doubles b = in_double::conv2d(inner, a, x[3], x[4], activation);
               const Doubles c = in_double::conv2d_transpose(inner, b, x[5], x[6], activation);
               return in_double::conv2d_transpose(outer, c, x[7], x[8]);
             },
         .value_tolerance = 5e-6,
         .gradient_tolerance = 3e-5});
  }
}

}  // namespace
}  // namespace cuelbo::test
