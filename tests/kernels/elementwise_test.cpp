#include "kernels/elementwise/elementwise_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

TEST(Elementwise, AddAndMultiplyAreCorrectlyRounded) {
  for (const std::int64_t count : element_counts) {
    SCOPED_TRACE(count);
    const auto a = random_normal(size(count), 1), b = random_normal(size(count), 2);
    std::vector<float> sum(size(count)), product(size(count));
    reference::add(count, a.data(), b.data(), sum.data());
    reference::multiply(count, a.data(), b.data(), product.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(size(count)), KernelBuffer(size(count)), a, b};
          table.add.launch({.count = count, .a = a.data(), .b = b.data(), .y = out[0].data()}, stream);
          table.multiply.launch({.count = count, .a = a.data(), .b = b.data(), .y = out[1].data()}, stream);
          table.add.launch({.count = count, .a = out[2].data(), .b = b.data(), .y = out[2].data()}, stream);
          table.multiply.launch({.count = count, .a = a.data(), .b = out[3].data(), .y = out[3].data()},
                                stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(identical(out[0], sum));
          EXPECT_TRUE(identical(out[1], product));
          EXPECT_TRUE(identical(out[2], sum)) << "in place";
          EXPECT_TRUE(identical(out[3], product)) << "in place";
        });
  }
}

TEST(Elementwise, AffineMatchesReference) {
  for (const std::int64_t count : element_counts) {
    SCOPED_TRACE(count);
    const auto x = random_normal(size(count), 3);
    std::vector<double> expected(size(count));
    reference::affine(count, double{-2.5F}, double{0.75F}, to_double(x).data(), expected.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(size(count)), x};
          table.affine.launch(
              {.count = count, .factor = -2.5F, .offset = 0.75F, .x = x.data(), .y = out[0].data()}, stream);
          table.affine.launch(
              {.count = count, .factor = -2.5F, .offset = 0.75F, .x = out[1].data(), .y = out[1].data()},
              stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], expected, 3e-7));
          EXPECT_TRUE(identical(out[1], out[0])) << "in place";
        });
  }
}

TEST(Elementwise, ExpHasRelativeAccuracyOverItsWholeRange) {
  std::vector<float> x;
  for (int i = 0; i < 12800; ++i) x.push_back(-87 + 0.0137F * static_cast<float>(i));
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(x.size())};
        table.exp.launch({.count = static_cast<std::int64_t>(x.size()), .x = x.data(), .y = out[0].data()},
                         stream);
        return out;
      },
      [&](const Outputs& out) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double expected = std::exp(static_cast<double>(x[i]));
          ASSERT_NEAR(out[0][i] / expected, 1, 4e-7) << x[i];
        }
      });
}

TEST(Elementwise, ExpOfSpecialValues) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0, -infinity, infinity, nan, 1000, -1000, -0.0F};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{x};
        table.exp.launch({.count = 7, .x = out[0].data(), .y = out[0].data()}, stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_EQ(out[0][0], 1);
        EXPECT_EQ(out[0][1], 0);
        EXPECT_EQ(out[0][2], infinity);
        EXPECT_TRUE(std::isnan(out[0][3]));
        EXPECT_EQ(out[0][4], infinity);
        EXPECT_EQ(out[0][5], 0);
        EXPECT_EQ(out[0][6], 1);
      });
}

TEST(Elementwise, ScaleRowsIsCorrectlyRounded) {
  for (const auto [rows, columns] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << columns);
    const auto x = random_normal(size(rows * columns), 4), scale = random_normal(size(rows), 5);
    std::vector<float> expected(x.size());
    reference::scale_rows(rows, columns, x.data(), scale.data(), expected.data());
    on_every_path(
        [&, r = rows, c = columns](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(x.size()), x};
          table.scale_rows.launch(
              {.rows = r, .columns = c, .x = x.data(), .scale = scale.data(), .y = out[0].data()}, stream);
          table.scale_rows.launch(
              {.rows = r, .columns = c, .x = out[1].data(), .scale = scale.data(), .y = out[1].data()},
              stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(identical(out[0], expected));
          EXPECT_TRUE(identical(out[1], expected)) << "in place";
        });
  }
}

TEST(Elementwise, FillWritesEveryElementAndNoOther) {
  for (const std::int64_t count : element_counts) {
    SCOPED_TRACE(count);
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(size(count))};
          table.fill.launch({.count = count, .value = -0.0F, .y = out[0].data()}, stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(identical(out[0], std::vector<float>(size(count), -0.0F))); });
  }
}

TEST(Elementwise, CopyColumnsLeavesTheOtherColumnsAlone) {
  for (const auto [rows, columns] : matrix_shapes) {
    for (const std::int64_t x_extra : {0, 3}) {
      for (const std::int64_t y_extra : {0, 17}) {
        SCOPED_TRACE(testing::Message()
                     << rows << "x" << columns << " strides +" << x_extra << " +" << y_extra);
        const std::int64_t x_stride = columns + x_extra, y_stride = columns + y_extra;
        const auto x = random_normal(size(rows * x_stride), 6);
        std::vector<float> expected = KernelBuffer(size(rows * y_stride)).values();
        reference::copy_columns(rows, columns, x_stride, y_stride, x.data(), expected.data());
        on_every_path(
            [&, r = rows, c = columns](const KernelTable& table, Stream stream) {
              Outputs out{KernelBuffer(expected.size())};
              table.copy_columns.launch({.rows = r,
                                         .columns = c,
                                         .x_stride = x_stride,
                                         .y_stride = y_stride,
                                         .x = x.data(),
                                         .y = out[0].data()},
                                        stream);
              return out;
            },
            [&](const Outputs& out) { EXPECT_TRUE(identical(out[0], expected)); });
      }
    }
  }
}

TEST(Elementwise, NanStaysNanAndItsNeighboursDoNotMind) {
  std::vector<float> x(37, 1.0F);
  x[20] = nan;
  const std::vector<float> one(37, 1.0F);
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out(5, KernelBuffer(37));
        table.add.launch({.count = 37, .a = one.data(), .b = x.data(), .y = out[0].data()}, stream);
        table.multiply.launch({.count = 37, .a = x.data(), .b = one.data(), .y = out[1].data()}, stream);
        table.affine.launch({.count = 37, .factor = 2, .x = x.data(), .y = out[2].data()}, stream);
        table.exp.launch({.count = 37, .x = x.data(), .y = out[3].data()}, stream);
        table.scale_rows.launch(
            {.rows = 37, .columns = 1, .x = one.data(), .scale = x.data(), .y = out[4].data()}, stream);
        return out;
      },
      [&](const Outputs& out) {
        for (const KernelBuffer& y : out) {
          for (std::size_t i = 0; i < 37; ++i) EXPECT_EQ(std::isnan(y[i]), i == 20) << i;
        }
      });
}

}  // namespace
}  // namespace cuelbo::test
