#include "kernels/bias/bias_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

TEST(Bias, BackwardMatchesReference) {
  for (const Shape& s : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << s.rows << " x " << s.columns);
    const auto dy = scaled(random_normal(static_cast<std::size_t>(s.rows * s.columns), 1),
                           static_cast<float>(1 / std::sqrt(s.rows)));
    BiasBackward args{.rows = s.rows, .channels = s.columns, .dy = dy.data()};
    std::vector<double> expected(static_cast<std::size_t>(s.columns));
    reference::bias_backward(args, to_double(dy).data(), expected.data());
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(expected.size())};
          args.dbias = out[0].data();
          launch(table.bias_backward, args, stream);
          return out;
        },
        [&](const Outputs& out) { EXPECT_TRUE(near(out[0], expected, 3e-6)); });
  }
}

}  // namespace
}  // namespace cuelbo::test
