// Features that only the CPU's matrix products have: bf16 factors, and weights that are prepared once.
#include <cmath>
#include <string>

#include "kernels/conv2d/conv2d_reference.hpp"
#include "kernels/linear/linear_reference.hpp"
#include "tests/kernels/conv2d_shape.hpp"
#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

std::span<const KernelPath> bf16_paths() {
  static const std::vector<KernelPath> paths = [] {
    std::vector<KernelPath> all;
    for (const CpuPath& path : cpu_tables())
      all.push_back({std::string(path.name) + " bf16", &path.table(Precision::bf16)});
    return all;
  }();
  return paths;
}

// To nearest, ties to even, by comparing with the neighbours of 8 significant bits.
float to_bf16(float x) {
  if (x == 0 || !std::isfinite(x)) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const double unit = std::ldexp(1.0, exponent - 8);
  return static_cast<float>(std::nearbyint(x / unit) * unit);
}
std::vector<float> to_bf16(std::vector<float> values) {
  for (float& x : values) x = to_bf16(x);
  return values;
}

struct LinearShape {
  std::int64_t rows, in, out;
};
// Odd and even sums, below and above the number of rows that are dot products, whole and ragged vectors and tiles.
const std::vector<LinearShape> linear_shapes = {{1, 1, 1},   {2, 3, 5},     {1, 784, 400},
                                                {3, 33, 9},  {9, 17, 33},   {33, 23, 47},
                                                {65, 64, 1}, {64, 784, 80}, {257, 65, 129}};

// Channels in pairs and not, odd and even lines, short ones of many channels, images of few channels, several parts.
const std::vector<Conv2dShape> conv_shapes = {
    make_shape(1, 1, 1, 1, 1, 1, 1, 0),     make_shape(2, 64, 64, 1, 32, 4, 2, 1),
    make_shape(2, 32, 32, 32, 32, 4, 2, 1), make_shape(3, 16, 16, 32, 64, 4, 2, 1),
    make_shape(65, 8, 8, 64, 64, 4, 2, 1),  make_shape(2, 14, 14, 16, 24, 3, 1, 1),
    make_shape(2, 13, 11, 5, 7, 5, 3, 2),   make_shape(3, 10, 10, 34, 6, 3, 1, 1),
    make_shape(5, 5, 6, 32, 17, 4, 1, 1),   make_shape(2, 11, 10, 4, 6, 2, 3, 0),
    make_shape(37, 4, 5, 9, 33, 3, 1, 1),   make_shape(1, 3, 3, 10, 16, 3, 8, 2)};

std::size_t small_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::small_size(s)); }
std::size_t large_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::large_size(s)); }
std::size_t weight_size(const Conv2dShape& s) { return static_cast<std::size_t>(reference::weight_size(s)); }

std::string name(const LinearShape& s) {
  return (testing::Message() << s.rows << " x " << s.in << " -> " << s.out).GetString();
}
std::string name(const Conv2dShape& s) {
  return (testing::Message() << "batch " << s.batch << ", " << s.large_height << " x " << s.large_width
                             << " x " << s.large_channels << " -> " << s.small_channels << ", kernel "
                             << s.kernel)
      .GetString();
}

// All three products of a linear layer.
Outputs linear_products(const KernelTable& table, Stream stream, const LinearShape& s,
                        const std::vector<float>& x, const std::vector<float>& weight,
                        const std::vector<float>& dy) {
  Outputs out{KernelBuffer(dy.size()), KernelBuffer(x.size()), KernelBuffer(weight.size())};
  const std::int64_t rows = s.rows, in = s.in, in_out = s.out;
  launch(table.linear_forward,
         {.rows = rows, .in = in, .out = in_out, .x = x.data(), .weight = weight.data(), .y = out[0].data()},
         stream);
  launch(
      table.linear_backward_data,
      {.rows = rows, .in = in, .out = in_out, .dy = dy.data(), .weight = weight.data(), .dx = out[1].data()},
      stream);
  launch(table.linear_backward_weight,
         {.rows = rows, .in = in, .out = in_out, .x = x.data(), .dy = dy.data(), .dweight = out[2].data()},
         stream);
  return out;
}
template <class T>
std::vector<std::vector<T>> linear_reference(const LinearShape& s, const std::vector<T>& x,
                                             const std::vector<T>& weight, const std::vector<T>& dy) {
  std::vector<std::vector<T>> out{std::vector<T>(dy.size()), std::vector<T>(x.size()),
                                  std::vector<T>(weight.size())};
  const T* const none = nullptr;
  T* const no_bias = nullptr;
  reference::linear_forward({.rows = s.rows, .in = s.in, .out = s.out}, x.data(), weight.data(), none,
                            out[0].data());
  reference::linear_backward_data({.rows = s.rows, .in = s.in, .out = s.out}, dy.data(), weight.data(), none,
                                  out[1].data());
  reference::linear_backward_weight({.rows = s.rows, .in = s.in, .out = s.out}, x.data(), dy.data(),
                                    out[2].data(), no_bias);
  return out;
}

// All three products of a convolution.
Outputs conv2d_products(const KernelTable& table, Stream stream, const Conv2dShape& s,
                        const std::vector<float>& large, const std::vector<float>& weight,
                        const std::vector<float>& small) {
  Outputs out{KernelBuffer(small.size()), KernelBuffer(large.size()), KernelBuffer(weight.size())};
  launch(table.conv2d_forward,
         {.shape = s, .large = large.data(), .weight = weight.data(), .small = out[0].data()}, stream);
  launch(table.conv2d_backward_data,
         {.shape = s, .small = small.data(), .weight = weight.data(), .large = out[1].data()}, stream);
  launch(table.conv2d_backward_weight,
         {.shape = s, .large = large.data(), .small = small.data(), .dweight = out[2].data()}, stream);
  return out;
}
template <class T>
std::vector<std::vector<T>> conv2d_reference(const Conv2dShape& s, const std::vector<T>& large,
                                             const std::vector<T>& weight, const std::vector<T>& small) {
  std::vector<std::vector<T>> out{std::vector<T>(small.size()), std::vector<T>(large.size()),
                                  std::vector<T>(weight.size())};
  const T* const none = nullptr;
  reference::conv2d_forward({.shape = s}, large.data(), weight.data(), none, none, out[0].data());
  reference::conv2d_backward_data({.shape = s}, small.data(), weight.data(), none, none, out[1].data());
  reference::conv2d_backward_weight({.shape = s}, large.data(), small.data(), out[2].data());
  return out;
}

// Small integers are bf16, and sums of their products are exact.
TEST(Bf16, IsExactForSmallIntegers) {
  for (const LinearShape& s : linear_shapes) {
    SCOPED_TRACE(name(s));
    const auto size = [](std::int64_t a, std::int64_t b) { return static_cast<std::size_t>(a * b); };
    const auto x = random_integers(size(s.rows, s.in), 1), weight = random_integers(size(s.in, s.out), 2);
    const auto dy = random_integers(size(s.rows, s.out), 3);
    const auto expected = linear_reference(s, x, weight, dy);
    on_every_path([&](const KernelTable& table,
                      Stream stream) { return linear_products(table, stream, s, x, weight, dy); },
                  [&](const Outputs& out) {
                    for (std::size_t i = 0; i < out.size(); ++i)
                      EXPECT_TRUE(near(out[i], expected[i], 0)) << "product " << i;
                  },
                  bf16_paths());
  }
  for (const Conv2dShape& s : conv_shapes) {
    SCOPED_TRACE(name(s));
    const auto large = random_integers(large_size(s), 1), weight = random_integers(weight_size(s), 2);
    const auto small = random_integers(small_size(s), 3);
    const auto expected = conv2d_reference(s, large, weight, small);
    on_every_path([&](const KernelTable& table,
                      Stream stream) { return conv2d_products(table, stream, s, large, weight, small); },
                  [&](const Outputs& out) {
                    for (std::size_t i = 0; i < out.size(); ++i)
                      EXPECT_TRUE(near(out[i], expected[i], 0)) << "product " << i;
                  },
                  bf16_paths());
  }
}

// The factors are rounded and nothing else: the sums are as good as those of fp32.
TEST(Bf16, RoundsTheFactorsToNearestEven) {
  for (const LinearShape& s : linear_shapes) {
    SCOPED_TRACE(name(s));
    const auto size = [](std::int64_t a, std::int64_t b) { return static_cast<std::size_t>(a * b); };
    const auto x = random_normal(size(s.rows, s.in), 1), dy = random_normal(size(s.rows, s.out), 3);
    const auto weight = random_normal(size(s.in, s.out), 2);
    const auto expected =
        linear_reference(s, to_double(to_bf16(x)), to_double(to_bf16(weight)), to_double(to_bf16(dy)));
    on_every_path([&](const KernelTable& table,
                      Stream stream) { return linear_products(table, stream, s, x, weight, dy); },
                  [&](const Outputs& out) {
                    for (std::size_t i = 0; i < out.size(); ++i)
                      EXPECT_TRUE(near(out[i], expected[i], 3e-5)) << "product " << i;
                  },
                  bf16_paths());
  }
  for (const Conv2dShape& s : conv_shapes) {
    if (s.large_channels % 2 != 0 || s.small_channels % 2 != 0 || s.large_channels <= 8) continue;  // fp32
    SCOPED_TRACE(name(s));
    const auto large = random_normal(large_size(s), 1), weight = random_normal(weight_size(s), 2);
    const auto small = random_normal(small_size(s), 3);
    const auto expected =
        conv2d_reference(s, to_double(to_bf16(large)), to_double(to_bf16(weight)), to_double(to_bf16(small)));
    on_every_path([&](const KernelTable& table,
                      Stream stream) { return conv2d_products(table, stream, s, large, weight, small); },
                  [&](const Outputs& out) {
                    for (std::size_t i = 0; i < out.size(); ++i)
                      EXPECT_TRUE(near(out[i], expected[i], 1e-4)) << "product " << i;
                  },
                  bf16_paths());
  }
}

TEST(Bf16, KeepsWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {1, infinity, 1, nan}, weight = {1, 1};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(2)};
        launch(table.linear_forward,
               {.rows = 2, .in = 2, .out = 1, .x = x.data(), .weight = weight.data(), .y = out[0].data()},
               stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_EQ(out[0][0], infinity);
        EXPECT_TRUE(std::isnan(out[0][1]));
      },
      bf16_paths());
}

// A call with a prepared weight gives the bits of one without, and does not read the weight.
template <class Args>
void expect_same_prepared(const Kernel<Args>& kernel, Args args, float* Args::* output, std::size_t size,
                          Stream stream) {
  KernelBuffer plain(size), with_prepared(size);
  args.*output = plain.data();
  launch(kernel, args, stream);
  Workspace prepared(kernel.prepared_bytes(args));
  if (kernel.prepared_bytes(args) == 0) return;
  kernel.prepare(args, prepared.data(), stream);
  EXPECT_TRUE(prepared.intact());
  args.weight = nullptr;
  args.prepared = prepared.data();
  args.*output = with_prepared.data();
  launch(kernel, args, stream);
  EXPECT_TRUE(identical(plain, with_prepared));
}

TEST(Prepared, WeightsGiveTheSameBits) {
  ThreadPool pool(2);
  for (const CpuPath& path : cpu_tables())
    for (const Precision precision : {Precision::fp32, Precision::bf16}) {
      const KernelTable& table = path.table(precision);
      SCOPED_TRACE(testing::Message() << path.name << ", precision " << static_cast<int>(precision));
      for (const LinearShape& s : linear_shapes) {
        SCOPED_TRACE(name(s));
        const auto x = random_normal(static_cast<std::size_t>(s.rows * s.in), 1);
        const auto weight = random_normal(static_cast<std::size_t>(s.in * s.out), 2);
        const LinearForward args{
            .rows = s.rows, .in = s.in, .out = s.out, .x = x.data(), .weight = weight.data()};
        expect_same_prepared(table.linear_forward, args, &LinearForward::y,
                             static_cast<std::size_t>(s.rows * s.out), pool.stream());
      }
      for (const Conv2dShape& s : conv_shapes) {
        SCOPED_TRACE(name(s));
        const auto large = random_normal(large_size(s), 1), weight = random_normal(weight_size(s), 2);
        const auto small = random_normal(small_size(s), 3);
        const Conv2dForward forward{.shape = s, .large = large.data(), .weight = weight.data()};
        expect_same_prepared(table.conv2d_forward, forward, &Conv2dForward::small, small_size(s),
                             pool.stream());
        const Conv2dBackwardData backward{.shape = s, .small = small.data(), .weight = weight.data()};
        expect_same_prepared(table.conv2d_backward_data, backward, &Conv2dBackwardData::large, large_size(s),
                             pool.stream());
      }
    }
}

}  // namespace
}  // namespace cuelbo::test
