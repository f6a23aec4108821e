// The variants that call NVIDIA's libraries ask them for the right thing: what their calls describe, computed here, is the
// reference's result. No library runs.
#if !defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include <gtest/gtest.h>

TEST(LibraryTest, IsLeftOut) { GTEST_SKIP() << "built without the headers of NVIDIA's libraries"; }

#else

#include <cublasLt.h>
#include <cudnn.h>

#include "kernels/conv2d/conv2d_library.hpp"
#include "kernels/conv2d/conv2d_reference.hpp"
#include "kernels/linear/linear_library.hpp"
#include "kernels/linear/linear_reference.hpp"
#include "kernels/reparameterize/reparameterize_library.hpp"
#include "tests/kernels/simt/library_fixture.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
using kernels::cuda::conv2d_library;
using kernels::cuda::linear_library;
using simt::LibraryRecording;
using testing::Each;
using testing::IsNan;

std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }

constexpr Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                      Activation::tanh, Activation::sigmoid};

// ---- linear

struct LinearShape {
  std::int64_t rows, in, out;
};
constexpr LinearShape linear_shapes[] = {{1, 1, 1}, {2, 3, 5}, {7, 13, 11}, {16, 32, 8}, {33, 17, 20}};

int compute_type(Precision precision) {
  switch (precision) {
    case Precision::tf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::bf16: return CUBLAS_COMPUTE_32F_FAST_16BF;
    default: return CUBLAS_COMPUTE_32F;
  }
}

using LibraryLinear = LibraryTest;

TEST_F(LibraryLinear, ForwardIsTheReference) {
  for (const auto& variant : linear_library<LinearForward>())
    for (const LinearShape& s : linear_shapes)
      for (const Activation activation : activations)
        for (const bool with_bias : {true, false}) {
          SCOPED_TRACE(testing::Message() << variant.name << ": " << s.rows << " x " << s.in << " -> "
                                          << s.out << ", activation " << static_cast<int>(activation));
          const LibraryRecording recording(interpret_call);
          const auto x = random_normal(count(s.rows * s.in), 1),
                     weight = random_normal(count(s.in * s.out), 2), bias = random_normal(count(s.out), 3);
          // One float behind an allocation's start: no alignment is taken for granted.
          const DeviceFloats dx(x, 1), dw(weight, 1), db(bias, 1), y(count(s.rows * s.out), 1);
          const LinearForward args{.rows = s.rows,
                                   .in = s.in,
                                   .out = s.out,
                                   .x = dx.data(),
                                   .weight = dw.data(),
                                   .bias = with_bias ? db.data() : nullptr,
                                   .activation = activation,
                                   .y = y.data()};
          launch(variant, args);
          std::vector<double> expected(y.size());
          reference::linear_forward(args, to_double(x).data(), to_double(weight).data(),
                                    with_bias ? to_double(bias).data() : nullptr, expected.data());
          EXPECT_TRUE(near(y.host(), expected, 3e-6));
          const auto gemms = works<simt::Gemm>(recording);
          ASSERT_EQ(gemms.size(), 1U);
          EXPECT_EQ(gemms[0].compute, compute_type(variant.precision));
        }
}

TEST_F(LibraryLinear, CublasLtFusesBiasAndRelu) {
  const DeviceFloats x(6), weight(15), bias(5), y(10);
  for (const auto& variant : linear_library<LinearForward>()) {
    const LibraryRecording recording(interpret_call);
    launch(variant, {.rows = 2,
                     .in = 3,
                     .out = 5,
                     .x = x.data(),
                     .weight = weight.data(),
                     .bias = bias.data(),
                     .activation = Activation::relu,
                     .y = y.data()});
    const auto gemms = works<simt::Gemm>(recording);
    ASSERT_EQ(gemms.size(), 1U);
    const bool fused = variant.library == std::string("cuBLASLt");
    EXPECT_EQ(gemms[0].bias, fused ? bias.data() : nullptr) << variant.name;
    EXPECT_EQ(gemms[0].relu, fused) << variant.name;
  }
}

TEST_F(LibraryLinear, BackwardDataIsTheReference) {
  for (const auto& variant : linear_library<LinearBackwardData>())
    for (const LinearShape& s : linear_shapes)
      for (const Activation activation : activations) {
        SCOPED_TRACE(testing::Message() << variant.name << ": " << s.rows << " x " << s.in << " -> " << s.out
                                        << ", activation " << static_cast<int>(activation));
        const LibraryRecording recording(interpret_call);
        const auto dy = random_normal(count(s.rows * s.out), 1),
                   weight = random_normal(count(s.in * s.out), 2), x = random_normal(count(s.rows * s.in), 3);
        const DeviceFloats ddy(dy), dw(weight), saved(x), dx(x.size());
        const LinearBackwardData args{.rows = s.rows,
                                      .in = s.in,
                                      .out = s.out,
                                      .dy = ddy.data(),
                                      .weight = dw.data(),
                                      .activation = activation,
                                      .x = activation == Activation::identity ? nullptr : saved.data(),
                                      .dx = dx.data()};
        launch(variant, args);
        std::vector<double> expected(dx.size());
        reference::linear_backward_data(args, to_double(dy).data(), to_double(weight).data(),
                                        to_double(x).data(), expected.data());
        EXPECT_TRUE(near(dx.host(), expected, 3e-6));
        const auto gemms = works<simt::Gemm>(recording);
        ASSERT_EQ(gemms.size(), 1U);
        EXPECT_EQ(gemms[0].compute, compute_type(variant.precision));
      }
}

TEST_F(LibraryLinear, BackwardWeightIsTheReference) {
  for (const auto& variant : linear_library<LinearBackwardWeight>())
    for (const LinearShape& s : linear_shapes)
      for (const bool with_bias : {true, false}) {
        SCOPED_TRACE(testing::Message()
                     << variant.name << ": " << s.rows << " x " << s.in << " -> " << s.out);
        const LibraryRecording recording(interpret_call);
        const auto x = random_normal(count(s.rows * s.in), 1), dy = random_normal(count(s.rows * s.out), 2);
        const DeviceFloats dx(x), ddy(dy), dweight(count(s.in * s.out)), dbias(count(s.out));
        const LinearBackwardWeight args{.rows = s.rows,
                                        .in = s.in,
                                        .out = s.out,
                                        .x = dx.data(),
                                        .dy = ddy.data(),
                                        .dweight = dweight.data(),
                                        .dbias = with_bias ? dbias.data() : nullptr};
        launch(variant, args);
        std::vector<double> weight(dweight.size()), bias(dbias.size());
        reference::linear_backward_weight(args, to_double(x).data(), to_double(dy).data(), weight.data(),
                                          bias.data());
        EXPECT_TRUE(near(dweight.host(), weight, 3e-6));
        if (with_bias) {
          EXPECT_TRUE(near(dbias.host(), bias, 3e-6));
        }
        const auto gemms = works<simt::Gemm>(recording);
        ASSERT_EQ(gemms.size(), 1U);
        EXPECT_EQ(gemms[0].compute, compute_type(variant.precision));
      }
}

TEST_F(LibraryLinear, WithoutAnInterpreterTheOutputIsNaN) {
  const DeviceFloats x(std::vector<float>(6, 1)), weight(std::vector<float>(15, 1)),
      y(std::vector<float>(10, 1));
  for (const auto& variant : linear_library<LinearForward>()) {
    launch(variant, {.rows = 2, .in = 3, .out = 5, .x = x.data(), .weight = weight.data(), .y = y.data()});
    EXPECT_THAT(y.host(), Each(IsNan())) << variant.name;
  }
}

// ---- conv2d

// Strides that leave pixels over, kernels wider than the stride and narrower, one channel.
std::vector<Conv2dShape> conv2d_shapes() {
  std::vector<Conv2dShape> shapes;
  for (const auto& [batch, height, width, large, small, kernel, stride, padding] :
       std::vector<std::array<std::int64_t, 8>>{{1, 1, 1, 1, 1, 1, 1, 0},
                                                {2, 8, 8, 3, 4, 4, 2, 1},
                                                {3, 7, 10, 1, 5, 3, 2, 1},
                                                {2, 5, 6, 4, 3, 2, 3, 0},
                                                {1, 9, 7, 2, 8, 5, 1, 2}})
    shapes.push_back({.batch = batch,
                      .large_height = height,
                      .large_width = width,
                      .large_channels = large,
                      .small_height = (height + 2 * padding - kernel) / stride + 1,
                      .small_width = (width + 2 * padding - kernel) / stride + 1,
                      .small_channels = small,
                      .kernel = kernel,
                      .stride = stride,
                      .padding = padding});
  return shapes;
}

struct Images {
  explicit Images(const Conv2dShape& s)
      : large(random_normal(count(reference::large_size(s)), 1)),
        small(random_normal(count(reference::small_size(s)), 2)),
        weight(random_normal(count(reference::weight_size(s)), 3)),
        bias(random_normal(count(std::max(s.large_channels, s.small_channels)), 4)) {}
  std::vector<float> large, small, weight, bias;
};

class LibraryConv2d : public LibraryTest {
 protected:
  // Calls f(activation, gradient activation, with bias) for what epilogues there are.
  template <class F>
  static void for_each_epilogue(F&& f) {
    for (const Activation activation : activations)
      for (const Activation gradient : {Activation::identity, Activation::relu, Activation::tanh})
        for (const bool with_bias : {true, false}) {
          SCOPED_TRACE(testing::Message() << "activation " << static_cast<int>(activation) << ", gradient "
                                          << static_cast<int>(gradient) << (with_bias ? ", with bias" : ""));
          f(activation, gradient, with_bias);
        }
  }
  static simt::Convolution only_convolution(const LibraryRecording& recording) {
    const auto all = works<simt::Convolution>(recording);
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? simt::Convolution{} : all[0];
  }
  static int math(Precision precision) {
    return precision == Precision::fp32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH;
  }
};

TEST_F(LibraryConv2d, ForwardIsTheReference) {
  for (const auto& variant : conv2d_library<Conv2dForward>())
    for (const Conv2dShape& s : conv2d_shapes())
      for_each_epilogue([&](Activation activation, Activation gradient, bool with_bias) {
        const LibraryRecording recording(interpret_call);
        const Images images(s);
        const DeviceFloats large(images.large), weight(images.weight), bias(images.bias), saved(images.small),
            small(images.small.size());
        const Conv2dForward args{.shape = s,
                                 .large = large.data(),
                                 .weight = weight.data(),
                                 .bias = with_bias ? bias.data() : nullptr,
                                 .activation = activation,
                                 .gradient_activation = gradient,
                                 .saved = saved.data(),
                                 .small = small.data()};
        launch(variant, args);
        std::vector<double> expected(small.size());
        reference::conv2d_forward(args, to_double(images.large).data(), to_double(images.weight).data(),
                                  with_bias ? to_double(images.bias).data() : nullptr,
                                  to_double(images.small).data(), expected.data());
        EXPECT_TRUE(near(small.host(), expected, 3e-6));
        const simt::Convolution call = only_convolution(recording);
        EXPECT_EQ(call.algorithm, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
        EXPECT_EQ(call.math, math(variant.precision));
        EXPECT_EQ(call.relu, with_bias && activation == Activation::relu);
      });
}

TEST_F(LibraryConv2d, BackwardDataIsTheReference) {
  for (const auto& variant : conv2d_library<Conv2dBackwardData>())
    for (const Conv2dShape& s : conv2d_shapes())
      for_each_epilogue([&](Activation activation, Activation gradient, bool with_bias) {
        const LibraryRecording recording(interpret_call);
        const Images images(s);
        const DeviceFloats small(images.small), weight(images.weight), bias(images.bias), saved(images.large),
            large(images.large.size());
        const Conv2dBackwardData args{.shape = s,
                                      .small = small.data(),
                                      .weight = weight.data(),
                                      .bias = with_bias ? bias.data() : nullptr,
                                      .activation = activation,
                                      .gradient_activation = gradient,
                                      .saved = saved.data(),
                                      .large = large.data()};
        launch(variant, args);
        std::vector<double> expected(large.size());
        reference::conv2d_backward_data(args, to_double(images.small).data(), to_double(images.weight).data(),
                                        with_bias ? to_double(images.bias).data() : nullptr,
                                        to_double(images.large).data(), expected.data());
        EXPECT_TRUE(near(large.host(), expected, 3e-6));
        const simt::Convolution call = only_convolution(recording);
        EXPECT_EQ(call.algorithm, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1);
        EXPECT_EQ(call.math, math(variant.precision));
      });
}

TEST_F(LibraryConv2d, BackwardWeightIsTheReference) {
  for (const auto& variant : conv2d_library<Conv2dBackwardWeight>())
    for (const Conv2dShape& s : conv2d_shapes()) {
      const LibraryRecording recording(interpret_call);
      const Images images(s);
      const DeviceFloats large(images.large), small(images.small), dweight(images.weight.size());
      const Conv2dBackwardWeight args{
          .shape = s, .large = large.data(), .small = small.data(), .dweight = dweight.data()};
      launch(variant, args);
      std::vector<double> expected(dweight.size());
      reference::conv2d_backward_weight(args, to_double(images.large).data(), to_double(images.small).data(),
                                        expected.data());
      EXPECT_TRUE(near(dweight.host(), expected, 3e-6));
      const simt::Convolution call = only_convolution(recording);
      EXPECT_EQ(call.algorithm, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
      EXPECT_EQ(call.math, math(variant.precision));
    }
}

// ---- reparameterize

using LibraryNoise = LibraryTest;

TEST_F(LibraryNoise, CurandFillsTheBufferThatIsScaled) {
  for (const auto& variant : cuda::reparameterize_forward_library_variants())
    for (const auto& [rows, dims, stride] :
         std::vector<std::array<std::int64_t, 3>>{{1, 1, 1}, {3, 5, 11}, {16, 8, 16}}) {
      const LibraryRecording recording(interpret_call);
      const auto mean = random_normal(count(rows * stride), 1),
                 logvar = random_normal(count(rows * stride), 2);
      const DeviceFloats dmean(mean), dlogvar(logvar), z(count(rows * dims));
      launch(variant, {.rows = rows,
                       .dims = dims,
                       .stride = stride,
                       .mean = dmean.data(),
                       .logvar = dlogvar.data(),
                       .z = z.data()});
      std::vector<double> expected;
      for (std::size_t r = 0, i = 0; r < count(rows); ++r)
        for (std::size_t d = 0; d < count(dims); ++d, ++i) {
          const std::size_t wide = r * count(stride) + d;
          expected.push_back(static_cast<double>(mean[wide]) +
                             std::exp(static_cast<double>(logvar[wide]) / 2) *
                                 static_cast<double>(noise_value(i)));
        }
      EXPECT_TRUE(near(z.host(), expected, 1e-6));
      const auto noise = works<simt::NormalNoise>(recording);
      ASSERT_EQ(noise.size(), 1U);
      EXPECT_GE(noise[0].count, z.size());
      EXPECT_TRUE(variant.own_noise);
    }
}

}  // namespace
}  // namespace cuelbo::test

#endif
