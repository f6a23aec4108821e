#include "kernels/conv2d/conv2d_reference.hpp"

#include "tests/kernels/conv2d_shape.hpp"
#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

std::string name(const Conv2dShape& s) {
  return (testing::Message() << "batch " << s.batch << ", " << s.large_height << " x " << s.large_width
                             << " x " << s.large_channels << " -> " << s.small_height << " x "
                             << s.small_width << " x " << s.small_channels << ", kernel " << s.kernel
                             << ", stride " << s.stride << ", padding " << s.padding)
      .GetString();
}

const std::vector<Conv2dShape> shapes = {
    make_shape(1, 1, 1, 1, 1, 1, 1, 0),
    // the models' layers: encoder 4 x 4, stride 2, padding 1 (the decoder's are the adjoints), MNIST's 28 x 28, colour
    make_shape(2, 64, 64, 1, 32, 4, 2, 1),
    make_shape(2, 32, 32, 32, 32, 4, 2, 1),
    make_shape(3, 16, 16, 32, 64, 4, 2, 1),
    make_shape(5, 8, 8, 64, 64, 4, 2, 1),
    make_shape(3, 28, 28, 1, 32, 4, 2, 1),
    make_shape(2, 32, 32, 3, 32, 4, 2, 1),
    // the other usual forms
    make_shape(2, 14, 14, 16, 24, 3, 1, 1),
    make_shape(2, 9, 9, 8, 16, 1, 1, 0),
    make_shape(2, 13, 11, 5, 7, 5, 3, 2),
    make_shape(1, 17, 5, 10, 3, 3, 2, 1),
    // padding beyond the stride, kernel below the stride (pixels that no window reaches), kernel as large as the image
    make_shape(2, 7, 6, 3, 5, 5, 1, 4),
    make_shape(2, 11, 10, 4, 6, 2, 3, 0),
    make_shape(2, 10, 12, 2, 3, 1, 4, 0),
    make_shape(3, 4, 4, 64, 10, 4, 1, 0),
    make_shape(1, 3, 3, 9, 17, 3, 8, 2),
    make_shape(1, 20, 20, 1, 1, 16, 2, 15),
    // what minimal filtering does, with channels of several widths, tiles at all borders, and blocks that are not full
    make_shape(7, 12, 20, 48, 16, 4, 2, 1),
    make_shape(1, 4, 4, 16, 80, 4, 2, 1),
    make_shape(70, 8, 4, 16, 32, 4, 2, 1),
    make_shape(101, 8, 8, 16, 16, 4, 2, 1),  // parts of the weight gradient of more than one block
    // and what it leaves alone: an odd small image, a large one with a pixel too many, channels that fill no vector
    make_shape(2, 14, 14, 32, 64, 4, 2, 1),
    make_shape(2, 9, 8, 16, 16, 4, 2, 1),
    make_shape(2, 8, 8, 16, 24, 4, 2, 1),
    make_shape(2, 8, 8, 16, 16, 4, 2, 2),
    // more images than one part of the weight gradient takes, odd ones included
    make_shape(37, 4, 5, 9, 33, 3, 1, 1),
    make_shape(65, 6, 6, 2, 31, 2, 2, 0),
};

std::size_t small_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::small_size(s)); }
std::size_t large_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::large_size(s)); }
std::size_t weight_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::weight_size(s)); }

struct Epilogue {
  bool bias;
  Activation activation, gradient_activation;
};

const std::vector<Epilogue> epilogues = {
    {false, Activation::identity, Activation::identity},   {true, Activation::relu, Activation::identity},
    {true, Activation::leaky_relu, Activation::identity},  {true, Activation::tanh, Activation::identity},
    {true, Activation::sigmoid, Activation::identity},     {false, Activation::identity, Activation::relu},
    {false, Activation::identity, Activation::leaky_relu}, {true, Activation::relu, Activation::tanh},
    {true, Activation::identity, Activation::sigmoid}};

// The full product of shapes and epilogues would take long; every shape has the first and one other.
std::vector<Epilogue> epilogues_of(std::size_t shape) {
  return {epilogues[0], epilogues[1 + shape % (epilogues.size() - 1)]};
}

// Possible outputs of gradient_activation, for `saved`.
std::vector<float> outputs_of(Activation activation, std::vector<float> values) {
  for (float& value : values) value = reference::activate(activation, value);
  return values;
}

std::string name(const Epilogue& e) {
  return (testing::Message() << (e.bias ? "bias" : "no bias") << ", activation "
                             << static_cast<int>(e.activation) << ", gradient activation "
                             << static_cast<int>(e.gradient_activation))
      .GetString();
}

TEST(Conv2d, ForwardMatchesReference) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Conv2dShape& s = shapes[i];
    const double depth = static_cast<double>(s.kernel * s.kernel * s.large_channels);
    const auto large = random_normal(large_size(s), 1);
    const auto weight = scaled(random_normal(weight_size(s), 2), static_cast<float>(1 / std::sqrt(depth)));
    const auto bias = random_normal(static_cast<std::size_t>(s.small_channels), 3);
    for (const Epilogue& e : epilogues_of(i)) {
      SCOPED_TRACE(name(s) + "; " + name(e));
      const auto saved = outputs_of(e.gradient_activation, random_normal(small_size(s), 4));
      Conv2dForward args{
          .shape = s, .activation = e.activation, .gradient_activation = e.gradient_activation};
      std::vector<double> expected(small_size(s));
      reference::conv2d_forward(args, to_double(large).data(), to_double(weight).data(),
                                e.bias ? to_double(bias).data() : nullptr, to_double(saved).data(),
                                expected.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(small_size(s))};
            args.large = large.data(), args.weight = weight.data(), args.small = out[0].data();
            args.bias = e.bias ? bias.data() : nullptr;
            args.saved = e.gradient_activation == Activation::identity ? nullptr : saved.data();
            launch(table.conv2d_forward, args, stream);
            return out;
          },
          [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 5e-6)); });
    }
  }
}

TEST(Conv2d, BackwardDataMatchesReference) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Conv2dShape& s = shapes[i];
    const double depth = static_cast<double>(s.kernel * s.kernel * s.small_channels);
    const auto small = random_normal(small_size(s), 1);
    const auto weight = scaled(random_normal(weight_size(s), 2), static_cast<float>(1 / std::sqrt(depth)));
    const auto bias = random_normal(static_cast<std::size_t>(s.large_channels), 3);
    for (const Epilogue& e : epilogues_of(i)) {
      SCOPED_TRACE(name(s) + "; " + name(e));
      const auto saved = outputs_of(e.gradient_activation, random_normal(large_size(s), 4));
      Conv2dBackwardData args{
          .shape = s, .activation = e.activation, .gradient_activation = e.gradient_activation};
      std::vector<double> expected(large_size(s));
      reference::conv2d_backward_data(args, to_double(small).data(), to_double(weight).data(),
                                      e.bias ? to_double(bias).data() : nullptr, to_double(saved).data(),
                                      expected.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(large_size(s))};
            args.small = small.data(), args.weight = weight.data(), args.large = out[0].data();
            args.bias = e.bias ? bias.data() : nullptr;
            args.saved = e.gradient_activation == Activation::identity ? nullptr : saved.data();
            launch(table.conv2d_backward_data, args, stream);
            return out;
          },
          [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 5e-6)); });
    }
  }
}

TEST(Conv2d, BackwardWeightMatchesReference) {
  for (const Conv2dShape& s : shapes) {
    SCOPED_TRACE(name(s));
    const double pixels = static_cast<double>(s.batch * s.small_height * s.small_width);
    const auto large = scaled(random_normal(large_size(s), 1), static_cast<float>(1 / std::sqrt(pixels)));
    const auto small = random_normal(small_size(s), 2);
    Conv2dBackwardWeight args{.shape = s};
    std::vector<double> expected(weight_size(s));
    reference::conv2d_backward_weight(args, to_double(large).data(), to_double(small).data(),
                                      expected.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(weight_size(s))};
          args.large = large.data(), args.small = small.data(), args.dweight = out[0].data();
          launch(table.conv2d_backward_weight, args, stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 5e-6)); });
  }
}

// Sums of small integers are exact in any order, so that nothing hides in a tolerance; and then
// <conv(large), small> = <large, convᵀ(small)> = <weight, dweight> holds exactly.
TEST(Conv2d, IsExactAndAdjointForSmallIntegers) {
  for (const Conv2dShape& s : shapes) {
    SCOPED_TRACE(name(s));
    const auto large = random_integers(large_size(s), 1), small = random_integers(small_size(s), 2);
    const auto weight = random_integers(weight_size(s), 3);
    std::vector<float> conv(small_size(s)), adjoint(large_size(s)), dweight(weight_size(s));
    const float* const none = nullptr;
    reference::conv2d_forward({.shape = s}, large.data(), weight.data(), none, none, conv.data());
    reference::conv2d_backward_data({.shape = s}, small.data(), weight.data(), none, none, adjoint.data());
    reference::conv2d_backward_weight({.shape = s}, large.data(), small.data(), dweight.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(small_size(s)), KernelBuffer(large_size(s)), KernelBuffer(weight_size(s))};
          launch(table.conv2d_forward,
                 {.shape = s, .large = large.data(), .weight = weight.data(), .small = out[0].data()},
                 stream);
          launch(table.conv2d_backward_data,
                 {.shape = s, .small = small.data(), .weight = weight.data(), .large = out[1].data()},
                 stream);
          launch(table.conv2d_backward_weight,
                 {.shape = s, .large = large.data(), .small = small.data(), .dweight = out[2].data()},
                 stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], conv, 0));
          EXPECT_TRUE(near(out[1], adjoint, 0));
          EXPECT_TRUE(near(out[2], dweight, 0));
          const double product = inner_product(to_double(out[0].values()), to_double(small));
          EXPECT_EQ(product, inner_product(to_double(out[1].values()), to_double(large)));
          EXPECT_EQ(product, inner_product(to_double(out[2].values()), to_double(weight)));
        });
  }
}

TEST(Conv2d, ReferenceGradientsAreDerivatives) {
  const Conv2dShape s = make_shape(2, 5, 4, 2, 3, 3, 2, 1);
  const auto large = to_double(random_normal(large_size(s), 1)),
             weight = to_double(random_normal(weight_size(s), 2));
  const auto dsmall = to_double(random_normal(small_size(s), 3));
  const double* const none = nullptr;
  const auto loss = [&](const std::vector<double>& l, const std::vector<double>& w) {
    std::vector<double> small(small_size(s));
    reference::conv2d_forward({.shape = s}, l.data(), w.data(), none, none, small.data());
    return inner_product(dsmall, small);
  };
  std::vector<double> dlarge(large_size(s)), dweight(weight_size(s));
  reference::conv2d_backward_data({.shape = s}, dsmall.data(), weight.data(), none, none, dlarge.data());
  reference::conv2d_backward_weight({.shape = s}, large.data(), dsmall.data(), dweight.data());
  EXPECT_TRUE(near(dlarge, central_differences([&](const auto& v) { return loss(v, weight); }, large), 1e-8));
  EXPECT_TRUE(
      near(dweight, central_differences([&](const auto& v) { return loss(large, v); }, weight), 1e-8));
}

void expect_images_apart(const Conv2dShape& s) {
  auto large = random_normal(large_size(s), 1);
  const auto weight = random_normal(weight_size(s), 2);
  for (const KernelPath& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    const auto run = [&](const std::vector<float>& input) {
      KernelBuffer small(small_size(s));
      launch(path.table->conv2d_forward,
             {.shape = s, .large = input.data(), .weight = weight.data(), .small = small.data()});
      return small.values();
    };
    const auto clean = run(large);
    auto spoilt_input = large;
    const std::size_t image = large_size(s) / 3, small_image = small_size(s) / 3;
    std::fill_n(spoilt_input.begin() + static_cast<std::ptrdiff_t>(image), image,
                std::numeric_limits<float>::quiet_NaN());
    const auto spoilt = run(spoilt_input);
    for (std::size_t i = 0; i < spoilt.size(); ++i) {
      if (i / small_image == 1)
        EXPECT_TRUE(std::isnan(spoilt[i]));
      else
        EXPECT_EQ(spoilt[i], clean[i]);
    }
  }
}

// Plain, by minimal filtering, and with one channel.
TEST(Conv2d, OfNoImagesHasAZeroWeightGradient) {
  for (const Conv2dShape& s : {make_shape(0, 6, 6, 8, 16, 3, 1, 1), make_shape(0, 8, 8, 16, 16, 4, 2, 1),
                               make_shape(0, 8, 8, 1, 16, 4, 2, 1)}) {
    SCOPED_TRACE(name(s));
    const auto weight = random_normal(weight_size(s), 1);
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(0), KernelBuffer(0), KernelBuffer(weight_size(s))};
          launch(table.conv2d_forward, {.shape = s, .weight = weight.data(), .small = out[0].data()}, stream);
          launch(table.conv2d_backward_data, {.shape = s, .weight = weight.data(), .large = out[1].data()},
                 stream);
          launch(table.conv2d_backward_weight, {.shape = s, .dweight = out[2].data()}, stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(near(out[2], std::vector<float>(weight_size(s), 0), 0)); });
  }
}

// An infinite pixel in the middle makes the sums that it is part of infinite or NaN, and no others.
TEST(Conv2d, WhatIsNotFiniteStaysWhereItBelongs) {
  for (const Conv2dShape& s :
       {make_shape(1, 12, 12, 8, 16, 3, 1, 1), make_shape(1, 16, 16, 16, 16, 4, 2, 1)}) {
    SCOPED_TRACE(name(s));
    const auto weight = random_normal(weight_size(s), 1);
    const auto spoil = [](std::vector<float> image, std::int64_t element) {
      image[static_cast<std::size_t>(element)] = std::numeric_limits<float>::infinity();
      return image;
    };
    for (std::int64_t step = 0; step < 4; ++step) {  // each place in a tile
      const std::int64_t y = step / 2, x = step % 2;
      const auto large =
          spoil(random_normal(large_size(s), 2),
                ((s.large_height / 2 + y) * s.large_width + s.large_width / 2 + x) * s.large_channels);
      const auto small =
          spoil(random_normal(small_size(s), 3),
                ((s.small_height / 2 + y) * s.small_width + s.small_width / 2 + x) * s.small_channels);
      const float* const none = nullptr;
      std::vector<float> conv(small_size(s)), adjoint(large_size(s));
      reference::conv2d_forward({.shape = s}, large.data(), weight.data(), none, none, conv.data());
      reference::conv2d_backward_data({.shape = s}, small.data(), weight.data(), none, none, adjoint.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(small_size(s)), KernelBuffer(large_size(s))};
            launch(table.conv2d_forward,
                   {.shape = s, .large = large.data(), .weight = weight.data(), .small = out[0].data()},
                   stream);
            launch(table.conv2d_backward_data,
                   {.shape = s, .small = small.data(), .weight = weight.data(), .large = out[1].data()},
                   stream);
            return out;
          },
          [&](const Outputs& out) {
            for (std::size_t i = 0; i < conv.size(); ++i)
              EXPECT_EQ(std::isfinite(out[0].values()[i]), std::isfinite(conv[i])) << i;
            for (std::size_t i = 0; i < adjoint.size(); ++i)
              EXPECT_EQ(std::isfinite(out[1].values()[i]), std::isfinite(adjoint[i])) << i;
          });
    }
  }
}

TEST(Conv2d, AnImageDoesNotReachAnother) {
  expect_images_apart(make_shape(3, 6, 6, 8, 16, 3, 1, 1));
  expect_images_apart(make_shape(3, 8, 8, 16, 16, 4, 2, 1));
}

}  // namespace
}  // namespace cuelbo::test
