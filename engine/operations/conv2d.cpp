// conv2d and its adjoint conv2d_transpose: three kernels on a small and a large image serve both.
#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

using kernels::BiasBackward;
using kernels::Conv2dBackwardData;
using kernels::Conv2dBackwardWeight;
using kernels::Conv2dForward;
using kernels::Conv2dShape;

namespace {

struct Epilogue {
  Tensor bias;
  Activation activation = Activation::identity;
  Activation gradient_activation = Activation::identity;
  Tensor saved;
};

void launch_forward(const Conv2dShape& shape, Tensor large, Tensor weight, const Epilogue& epilogue,
                    Tensor small) {
  Program& p = small.program();
  p.launch(
      {large, weight, epilogue.bias, epilogue.saved}, {small},
      [=](const Addresses& at) {
        return Conv2dForward{.shape = shape,
                             .large = at.read(large),
                             .weight = at.read(weight),
                             .bias = at.read(epilogue.bias),
                             .activation = epilogue.activation,
                             .gradient_activation = epilogue.gradient_activation,
                             .saved = at.read(epilogue.saved),
                             .small = at.write(small)};
      },
      {}, weight);
}

void launch_backward_data(const Conv2dShape& shape, Tensor small, Tensor weight, const Epilogue& epilogue,
                          Tensor large) {
  Program& p = large.program();
  p.launch(
      {small, weight, epilogue.bias, epilogue.saved}, {large},
      [=](const Addresses& at) {
        return Conv2dBackwardData{.shape = shape,
                                  .small = at.read(small),
                                  .weight = at.read(weight),
                                  .bias = at.read(epilogue.bias),
                                  .activation = epilogue.activation,
                                  .gradient_activation = epilogue.gradient_activation,
                                  .saved = at.read(epilogue.saved),
                                  .large = at.write(large)};
      },
      {}, weight);
}

void launch_backward_weight(const Conv2dShape& shape, Tensor large, Tensor small, Tensor dweight) {
  Program& p = dweight.program();
  p.launch({large, small}, {dweight}, [=](const Addresses& at) {
    return Conv2dBackwardWeight{
        .shape = shape, .large = at.read(large), .small = at.read(small), .dweight = at.write(dweight)};
  });
}

void launch_bias_backward(Tensor dy, Tensor dbias) {
  Program& p = dbias.program();
  p.launch({dy}, {dbias}, [=](const Addresses& at) {
    return BiasBackward{
        .rows = dy.rows(), .channels = dy.columns(), .dy = at.read(dy), .dbias = at.write(dbias)};
  });
}

// The gradients of y = op(x, weight) + bias, where x is the large image (conv2d) or the small one (its adjoint).
void record_backward(Gradients& gradients, const Conv2dShape& shape, Tensor x, Tensor weight, Tensor bias,
                     Tensor y, bool x_is_large) {
  const Tensor dy = gradients.before_activation(y);
  if (gradients.wanted(bias)) {
    const Tensor dbias = gradients.target(bias);
    launch_bias_backward(dy, dbias);
    gradients.add(bias, dbias);
  }
  if (gradients.wanted(weight)) {
    const Tensor dweight = gradients.target(weight);
    launch_backward_weight(shape, x_is_large ? x : dy, x_is_large ? dy : x, dweight);
    gradients.add(weight, dweight);
  }
  if (gradients.wanted(x)) {
    const Activation fused = gradients.fuse_activation(x);
    const Epilogue epilogue{.gradient_activation = fused,
                            .saved = fused == Activation::identity ? Tensor{} : x};
    const Tensor dx = gradients.target(x);
    if (x_is_large)
      launch_backward_data(shape, dy, weight, epilogue, dx);
    else
      launch_forward(shape, dy, weight, epilogue, dx);
    gradients.add(x, dx);
  }
}

void check(std::string_view name, Tensor x, Tensor weight, Tensor bias, const Conv2dGeometry& g,
           std::int64_t in_axis, std::int64_t out_axis) {
  require_axes(name, "input", x, 4);
  require_axes(name, "weight", weight, 4);
  if (g.kernel < 1 || g.kernel > 16 || g.stride < 1 || g.stride > 8 || g.padding < 0 || g.padding >= g.kernel)
    fail("{}: kernel {}, stride {}, padding {}: need 1 ≤ kernel ≤ 16, 1 ≤ stride ≤ 8, 0 ≤ padding < kernel",
         name, g.kernel, g.stride, g.padding);
  Shape expected = weight.shape();
  expected[1] = expected[2] = g.kernel;
  expected[static_cast<std::size_t>(in_axis)] = x.dim(3);
  require_shape(name, "weight", weight, expected);
  if (bias) require_shape(name, "bias", bias, {weight.shape()[static_cast<std::size_t>(out_axis)]});
}

}  // namespace

Tensor conv2d(Tensor x, Tensor weight, Tensor bias, Conv2dGeometry g, Activation activation) {
  check("conv2d", x, weight, bias, g, 3, 0);
  const auto extent = [&](std::int64_t n) { return (n + 2 * g.padding - g.kernel) / g.stride + 1; };
  for (const int axis : {1, 2})
    if (x.dim(axis) + 2 * g.padding < g.kernel)
      fail("conv2d: input '{}' {} is smaller than the kernel of {}", x.name(), to_string(x.shape()),
           g.kernel);
  const Conv2dShape shape{.batch = x.dim(0),
                          .large_height = x.dim(1),
                          .large_width = x.dim(2),
                          .large_channels = x.dim(3),
                          .small_height = extent(x.dim(1)),
                          .small_width = extent(x.dim(2)),
                          .small_channels = weight.dim(0),
                          .kernel = g.kernel,
                          .stride = g.stride,
                          .padding = g.padding};
  Program& program = x.program();
  const Tensor y =
      program.tensor("conv2d", {shape.batch, shape.small_height, shape.small_width, shape.small_channels});
  launch_forward(shape, x, weight, {.bias = bias, .activation = activation}, y);
  program.set_activation(y, activation);
  program.operation("conv2d", {x, weight, bias}, {y}, [=](Gradients& gradients) {
    record_backward(gradients, shape, x, weight, bias, y, /*x_is_large=*/true);
  });
  return y;
}

Tensor conv2d_transpose(Tensor x, Tensor weight, Tensor bias, Conv2dGeometry g, std::int64_t output_padding,
                        Activation activation) {
  check("conv2d_transpose", x, weight, bias, g, 0, 3);
  if (output_padding < 0 || output_padding >= g.stride)
    fail("conv2d_transpose: output_padding {} must be at least 0 and less than the stride {}", output_padding,
         g.stride);
  const auto extent = [&](std::int64_t n) {
    return (n - 1) * g.stride - 2 * g.padding + g.kernel + output_padding;
  };
  for (const int axis : {1, 2})
    if (extent(x.dim(axis)) < 1)
      fail("conv2d_transpose: input '{}' {} gives an empty image", x.name(), to_string(x.shape()));
  const Conv2dShape shape{.batch = x.dim(0),
                          .large_height = extent(x.dim(1)),
                          .large_width = extent(x.dim(2)),
                          .large_channels = weight.dim(3),
                          .small_height = x.dim(1),
                          .small_width = x.dim(2),
                          .small_channels = x.dim(3),
                          .kernel = g.kernel,
                          .stride = g.stride,
                          .padding = g.padding};
  Program& program = x.program();
  const Tensor y = program.tensor("conv2d_transpose",
                                  {shape.batch, shape.large_height, shape.large_width, shape.large_channels});
  launch_backward_data(shape, x, weight, {.bias = bias, .activation = activation}, y);
  program.set_activation(y, activation);
  program.operation("conv2d_transpose", {x, weight, bias}, {y}, [=](Gradients& gradients) {
    record_backward(gradients, shape, x, weight, bias, y, /*x_is_large=*/false);
  });
  return y;
}

}  // namespace cuelbo
