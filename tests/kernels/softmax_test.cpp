#include "kernels/softmax/softmax_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

TEST(Softmax, ForwardMatchesReferenceForEitherOutputOrBoth) {
  for (const auto [rows, classes] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << classes);
    const auto n = static_cast<std::size_t>(rows * classes);
    const auto logits = scaled(random_normal(n, 1), 4);
    std::vector<double> p(n), log_p(n);
    reference::softmax_forward(rows, classes, to_double(logits).data(), p.data(), log_p.data());
    on_every_path(
        [&, r = rows, c = classes](const KernelTable& table, Stream stream) {
          Outputs out(4, KernelBuffer(n));
          const auto run = [&](float* probabilities, float* log_probabilities) {
            table.softmax_forward.launch({.rows = r,
                                          .classes = c,
                                          .logits = logits.data(),
                                          .probabilities = probabilities,
                                          .log_probabilities = log_probabilities},
                                         stream);
          };
          run(out[0].data(), nullptr);
          run(nullptr, out[1].data());
          run(out[2].data(), out[3].data());
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], p, 1e-6));
          EXPECT_TRUE(near(out[1], log_p, 1e-6));
          EXPECT_TRUE(near(out[2], p, 1e-6));
          EXPECT_TRUE(identical(out[3], out[1]));
        });
  }
}

TEST(Softmax, BackwardMatchesReferenceForEitherGradientOrBoth) {
  for (const auto [rows, classes] : matrix_shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << classes);
    const auto n = static_cast<std::size_t>(rows * classes);
    const auto logits = random_normal(n, 1), dp = random_normal(n, 2), dlogp = random_normal(n, 3);
    std::vector<double> exact(n), by_p(n), by_logp(n), by_both(n);
    reference::softmax_forward<double>(rows, classes, to_double(logits).data(), exact.data(), nullptr);
    const std::vector<float> p(exact.begin(), exact.end());
    const auto p64 = to_double(p), dp64 = to_double(dp), dlogp64 = to_double(dlogp);
    reference::softmax_backward<double>(rows, classes, p64.data(), dp64.data(), nullptr, by_p.data());
    reference::softmax_backward<double>(rows, classes, p64.data(), nullptr, dlogp64.data(), by_logp.data());
    reference::softmax_backward<double>(rows, classes, p64.data(), dp64.data(), dlogp64.data(),
                                        by_both.data());
    on_every_path(
        [&, r = rows, c = classes](const KernelTable& table, Stream stream) {
          Outputs out(4, KernelBuffer(n));
          const auto run = [&](const float* dprobabilities, const float* dlog_probabilities, float* dlogits) {
            table.softmax_backward.launch({.rows = r,
                                           .classes = c,
                                           .probabilities = p.data(),
                                           .dprobabilities = dprobabilities,
                                           .dlog_probabilities = dlog_probabilities,
                                           .dlogits = dlogits},
                                          stream);
          };
          run(dp.data(), nullptr, out[0].data());
          run(nullptr, dlogp.data(), out[1].data());
          run(dp.data(), dlogp.data(), out[2].data());
          run(nullptr, nullptr, out[3].data());
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(near(out[0], by_p, 1e-6));
          EXPECT_TRUE(near(out[1], by_logp, 1e-6));
          EXPECT_TRUE(near(out[2], by_both, 1e-6));
          EXPECT_TRUE(identical(out[3], std::vector<float>(n, 0)));
        });
  }
}

TEST(Softmax, ReferenceBackwardIsTheDerivative) {
  const std::int64_t rows = 3, classes = 5;
  const auto logits = to_double(random_normal(15, 4)), dp = to_double(random_normal(15, 5)),
             dlogp = to_double(random_normal(15, 6));
  std::vector<double> p(15), log_p(15), dlogits(15);
  const auto loss = [&](const std::vector<double>& x) {
    reference::softmax_forward(rows, classes, x.data(), p.data(), log_p.data());
    return inner_product(dp, p) + inner_product(dlogp, log_p);
  };
  const auto expected = central_differences(loss, logits);
  loss(logits);
  reference::softmax_backward(rows, classes, p.data(), dp.data(), dlogp.data(), dlogits.data());
  EXPECT_TRUE(near(dlogits, expected, 1e-9));
}

// A logit far above the others, at every place of rows of every length around a vector's.
TEST(Softmax, TheLargestLogitIsFoundWhereverItStands) {
  for (std::int64_t classes = 1; classes <= 40; ++classes) {
    const auto n = static_cast<std::size_t>(classes * classes);
    std::vector<float> logits(n, -1000), expected(n, 0);
    for (std::size_t i = 0; i < n; i += static_cast<std::size_t>(classes) + 1) {
      logits[i] = 1000;
      expected[i] = 1;
    }
    on_every_path(
        [&](const KernelTable& table, Stream stream) {
          Outputs out{KernelBuffer(n), KernelBuffer(n)};
          table.softmax_forward.launch(
              {.rows = classes, .classes = classes, .logits = logits.data(), .probabilities = out[0].data()},
              stream);
          table.softmax_forward.launch({.rows = classes,
                                        .classes = classes,
                                        .logits = logits.data(),
                                        .log_probabilities = out[1].data()},
                                       stream);
          return out;
        },
        [&](const Outputs& out) {
          EXPECT_TRUE(identical(out[0], expected)) << classes << " classes";
          for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[1][i], expected[i] == 1 ? 0 : -2000) << classes;
        });
  }
}

TEST(Softmax, ExtremeLogitsStayFiniteAndNanReachesItsRowOnly) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {100,   -100,  0,           // log p = 0, -200, -100
                                     -1e4F, -1e4F, -1e4F,       // uniform
                                     0,     nan,   1,           //
                                     0,     0,     -infinity};  // an impossible class
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out(3, KernelBuffer(12));
        table.softmax_forward.launch({.rows = 4,
                                      .classes = 3,
                                      .logits = logits.data(),
                                      .probabilities = out[0].data(),
                                      .log_probabilities = out[1].data()},
                                     stream);
        table.softmax_forward.launch(
            {.rows = 4, .classes = 3, .logits = logits.data(), .probabilities = out[2].data()}, stream);
        return out;
      },
      [&](const Outputs& out) {
        const double third = 1.0 / 3, log_third = std::log(third), log_half = std::log(0.5);
        const std::vector<double> p = {1, 0, 0, third, third, third, nan, nan, nan, 0.5, 0.5, 0};
        const std::vector<double> log_p = {0,   -200, -100, log_third, log_third, log_third,
                                           nan, nan,  nan,  log_half,  log_half,  -infinity};
        EXPECT_TRUE(near(out[0], p, 1e-6));
        EXPECT_TRUE(near(out[1], log_p, 1e-6));
        EXPECT_TRUE(near(out[2], p, 1e-6));
      });
}

}  // namespace
}  // namespace cuelbo::test
