#include "kernels/reduce/reduce_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

TEST(Reduce, SumsOverRowsAndColumnsMatchReference) {
  for (const auto [rows, columns] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << columns);
    constexpr float factor = 0.37F;
    const auto x = scaled(random_normal(size(rows * columns), 1), 1, 0.5F);  // sums do not vanish
    std::vector<double> by_column(size(columns)), by_row(size(rows));
    reference::sum_rows(rows, columns, double{factor}, to_double(x).data(), by_column.data());
    reference::sum_columns(rows, columns, double{factor}, to_double(x).data(), by_row.data());
    on_every_path(
        [&, r = rows, c = columns](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(size(c)), KernelBuffer(size(r))};
          launch(table.sum_rows,
                 SumRows{.rows = r, .columns = c, .factor = factor, .x = x.data(), .y = out[0].data()},
                 stream);
          launch(table.sum_columns,
                 SumColumns{.rows = r, .columns = c, .factor = factor, .x = x.data(), .y = out[1].data()},
                 stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], by_column, 1e-6));
          EXPECT_TRUE(near(out[1], by_row, 1e-6));
        });
  }
}

// Integers small enough that every partial sum is exact: the sum must be, in whatever order.
TEST(Reduce, SumsOfIntegersAreExact) {
  for (const auto [rows, columns] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << columns);
    const auto x = random_integers(size(rows * columns), 2);
    std::vector<float> by_column(size(columns)), by_row(size(rows));
    float squares = 0;
    reference::sum_rows(rows, columns, 1.0F, x.data(), by_column.data());
    reference::sum_columns(rows, columns, 1.0F, x.data(), by_row.data());
    reference::sum_of_squares(rows * columns, x.data(), &squares);
    on_every_path(
        [&, r = rows, c = columns](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(size(c)), KernelBuffer(size(r)), KernelBuffer(1)};
          launch(table.sum_rows, SumRows{.rows = r, .columns = c, .x = x.data(), .y = out[0].data()}, stream);
          launch(table.sum_columns, SumColumns{.rows = r, .columns = c, .x = x.data(), .y = out[1].data()},
                 stream);
          launch(table.sum_of_squares, SumOfSquares{.count = r * c, .x = x.data(), .y = out[2].data()},
                 stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(identical(out[0], scaled(by_column, 1, 0)));
          EXPECT_TRUE(identical(out[1], scaled(by_row, 1, 0)));
          EXPECT_EQ(out[2][0], squares);
        });
  }
}

TEST(Reduce, SumOfSquaresMatchesReference) {
  std::vector<std::int64_t> counts = element_counts;
  counts.push_back(444'910);  // parameters of a 784-400-256 encoder and its like
  for (const std::int64_t count : counts) {
    SCOPED_TRACE(count);
    const auto x = random_normal(size(count), 3);
    double expected = 0;
    reference::sum_of_squares(count, to_double(x).data(), &expected);
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(1)};
          launch(table.sum_of_squares, SumOfSquares{.count = count, .x = x.data(), .y = out[0].data()},
                 stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_NEAR(out[0][0] / expected, 1, 3e-7); });
  }
}

TEST(Reduce, BroadcastsAreCorrectlyRounded) {
  for (const auto [rows, columns] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << columns);
    constexpr float factor = -1.7F;
    const auto of_columns = random_normal(size(columns), 4), of_rows = random_normal(size(rows), 5);
    std::vector<float> down(size(rows * columns)), across(size(rows * columns));
    reference::broadcast_rows(rows, columns, factor, of_columns.data(), down.data());
    reference::broadcast_columns(rows, columns, factor, of_rows.data(), across.data());
    on_every_path(
        [&, r = rows, c = columns](const KernelTable& table, Stream stream) {
          Outputs out(2, KernelBuffer(size(r * c)));
          table.broadcast_rows.launch(
              {.rows = r, .columns = c, .factor = factor, .dy = of_columns.data(), .dx = out[0].data()},
              stream);
          table.broadcast_columns.launch(
              {.rows = r, .columns = c, .factor = factor, .dy = of_rows.data(), .dx = out[1].data()}, stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(identical(out[0], down));
          EXPECT_TRUE(identical(out[1], across));
        });
  }
}

// ⟨sum(x), y⟩ = ⟨x, broadcast(y)⟩, for both directions.
TEST(Reduce, BroadcastIsTheAdjointOfTheSum) {
  const std::int64_t rows = 5, columns = 7;
  const auto x = to_double(random_normal(35, 6)), u = to_double(random_normal(7, 7)),
             v = to_double(random_normal(5, 8));
  std::vector<double> by_column(7), by_row(5), down(35), across(35);
  reference::sum_rows(rows, columns, 0.3, x.data(), by_column.data());
  reference::broadcast_rows(rows, columns, 0.3, u.data(), down.data());
  EXPECT_NEAR(inner_product(u, by_column), inner_product(x, down), 1e-13);
  reference::sum_columns(rows, columns, 0.3, x.data(), by_row.data());
  reference::broadcast_columns(rows, columns, 0.3, v.data(), across.data());
  EXPECT_NEAR(inner_product(v, by_row), inner_product(x, across), 1e-13);
}

TEST(Reduce, NanReachesItsSumsOnly) {
  constexpr std::int64_t rows = 130, columns = 37;
  auto x = random_normal(rows * columns, 9);
  x[129 * columns + 36] = std::numeric_limits<float>::quiet_NaN();
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(columns), KernelBuffer(rows), KernelBuffer(1)};
        launch(table.sum_rows, SumRows{.rows = rows, .columns = columns, .x = x.data(), .y = out[0].data()},
               stream);
        launch(table.sum_columns,
               SumColumns{.rows = rows, .columns = columns, .x = x.data(), .y = out[1].data()}, stream);
        launch(table.sum_of_squares, SumOfSquares{.count = rows * columns, .x = x.data(), .y = out[2].data()},
               stream);
        return out;
      },
      [&](const Outputs& out) {
        for (std::size_t c = 0; c < columns; ++c) EXPECT_EQ(std::isnan(out[0][c]), c == 36) << c;
        for (std::size_t r = 0; r < rows; ++r) EXPECT_EQ(std::isnan(out[1][r]), r == 129) << r;
        EXPECT_TRUE(std::isnan(out[2][0]));
      });
}

}  // namespace
}  // namespace cuelbo::test
