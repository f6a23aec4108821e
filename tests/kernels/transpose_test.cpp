#include "kernels/transpose/transpose_reference.hpp"

#include <array>
#include <vector>

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

TEST(Transpose, MovesEveryElementAndNoOther) {
  for (const auto& [batch, rows, columns] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                                     {1, 3, 5},
                                                                                     {1, 32, 32},
                                                                                     {2, 33, 31},
                                                                                     {3, 7, 129},
                                                                                     {1, 129, 64},
                                                                                     {5, 1, 17},
                                                                                     {0, 3, 4},
                                                                                     {2, 0, 4}}) {
    SCOPED_TRACE(testing::Message() << batch << ", " << rows << ", " << columns);
    const std::vector<float> x = random_normal(static_cast<std::size_t>(batch * rows * columns), 1);
    std::vector<float> expected(x.size());
    reference::transpose(batch, rows, columns, x.data(), expected.data());
    on_every_path(
        [&, b = batch, r = rows, c = columns](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(x.size())};
          table.transpose.launch({.batch = b, .rows = r, .columns = c, .x = x.data(), .y = out[0].data()},
                                 stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(identical(out[0], expected)); });
  }
}

}  // namespace
}  // namespace cuelbo::test
