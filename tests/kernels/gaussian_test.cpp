#include "kernels/gaussian/gaussian_reference.hpp"

#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
namespace reference = kernels::reference;

constexpr double half_log_two_pi = 0.91893853320467274178;

TEST(GaussianLikelihood, MatchesReferenceWithAndWithoutGradient) {
  for (const auto [rows, pixels] : matrix_shapes) {
    for (const float deviation : {1.0F, 0.1F}) {
      SCOPED_TRACE(testing::Message() << rows << "x" << pixels << ", deviation " << deviation);
      const auto n = static_cast<std::size_t>(rows * pixels), b = static_cast<std::size_t>(rows);
      const auto mean = random_normal(n, 1), target = random_normal(n, 2);
      std::vector<double> log_likelihood(b), dmean(n);
      reference::gaussian_likelihood_forward(rows, pixels, static_cast<double>(deviation),
                                             to_double(mean).data(), to_double(target).data(),
                                             log_likelihood.data(), dmean.data());
      on_every_path(
          [&, r = rows, c = pixels](const KernelTable& table, Stream stream) {
            Outputs out{KernelBuffer(b), KernelBuffer(n), KernelBuffer(b), KernelBuffer(b), mean};
            const auto run = [&](const float* m, float* value, float* gradient) {
              table.gaussian_likelihood_forward.launch({.rows = r,
                                                        .pixels = c,
                                                        .deviation = deviation,
                                                        .mean = m,
                                                        .target = target.data(),
                                                        .log_likelihood = value,
                                                        .dmean = gradient},
                                                       stream);
            };
            run(mean.data(), out[0].data(), out[1].data());
            run(mean.data(), out[2].data(), nullptr);
            run(out[4].data(), out[3].data(), out[4].data());
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], log_likelihood, 1e-6));
            EXPECT_TRUE(near(out[1], dmean, 3e-7));
            EXPECT_TRUE(identical(out[2], out[0])) << "without gradient";
            EXPECT_TRUE(identical(out[3], out[0])) << "in place";
            EXPECT_TRUE(identical(out[4], out[1])) << "in place";
          });
    }
  }
}

TEST(GaussianDensity, ForwardAndBackwardMatchReference) {
  for (const std::int64_t count : element_counts) {
    for (const bool standard : {false, true}) {
      SCOPED_TRACE(testing::Message() << count << (standard ? " standard" : ""));
      const auto n = static_cast<std::size_t>(count);
      const auto z = random_normal(n, 1), mean = random_normal(n, 2), logvar = random_normal(n, 3),
                 dlog_density = random_normal(n, 4);
      const auto z64 = to_double(z), mean64 = to_double(mean), logvar64 = to_double(logvar),
                 gradient64 = to_double(dlog_density);
      std::vector<double> log_density(n), dz(n), dmean(n), dlogvar(n);
      const double *m = standard ? nullptr : mean64.data(), *v = standard ? nullptr : logvar64.data();
      reference::gaussian_density_forward(count, z64.data(), m, v, log_density.data());
      reference::gaussian_density_backward(count, z64.data(), m, v, gradient64.data(), dz.data(),
                                           dmean.data(), dlogvar.data());
      on_every_path(
          [&](const KernelTable& table, Stream stream) {
            Outputs out(5, KernelBuffer(n));
            const float *m32 = standard ? nullptr : mean.data(), *v32 = standard ? nullptr : logvar.data();
            table.gaussian_density_forward.launch(
                {.count = count, .z = z.data(), .mean = m32, .logvar = v32, .log_density = out[0].data()},
                stream);
            GaussianDensityBackward args{.count = count,
                                         .z = z.data(),
                                         .mean = m32,
                                         .logvar = v32,
                                         .dlog_density = dlog_density.data(),
                                         .dz = out[1].data(),
                                         .dmean = standard ? nullptr : out[2].data(),
                                         .dlogvar = standard ? nullptr : out[3].data()};
            table.gaussian_density_backward.launch(args, stream);
            args.dz = out[4].data();
            args.dmean = args.dlogvar = nullptr;
            table.gaussian_density_backward.launch(args, stream);
            return out;
          },
          [&](const Outputs& out) {
            EXPECT_TRUE(near(out[0], log_density, 1e-6));
            EXPECT_TRUE(near(out[1], dz, 1e-6));
            EXPECT_TRUE(identical(out[4], out[1])) << "dz alone";
            if (!standard) {
              EXPECT_TRUE(near(out[2], dmean, 1e-6));
              EXPECT_TRUE(near(out[3], dlogvar, 1e-6));
            }
          });
    }
  }
}

TEST(GaussianDensity, ReferenceBackwardIsTheDerivative) {
  const auto weights = to_double(random_normal(7, 5));
  const auto packed = to_double(random_normal(21, 6));  // z, mean, logvar
  std::vector<double> log_density(7), gradient(21);
  const auto loss = [&](const std::vector<double>& x) {
    reference::gaussian_density_forward(7, x.data(), x.data() + 7, x.data() + 14, log_density.data());
    return inner_product(weights, log_density);
  };
  reference::gaussian_density_backward(7, packed.data(), packed.data() + 7, packed.data() + 14,
                                       weights.data(), gradient.data(), gradient.data() + 7,
                                       gradient.data() + 14);
  EXPECT_TRUE(near(gradient, central_differences(loss, packed), 1e-8));
}

TEST(GaussianDensity, KnownValuesAndExtremes) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> z = {0, 1, 5, 5, nan, 0, 0}, mean = {0, 0, 5, 5, 0, nan, 0};
  const std::vector<float> logvar = {0, 0, -100, 100, 0, 0, nan};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(7)};
        table.gaussian_density_forward.launch({.count = 7,
                                               .z = z.data(),
                                               .mean = mean.data(),
                                               .logvar = logvar.data(),
                                               .log_density = out[0].data()},
                                              stream);
        return out;
      },
      [&](const Outputs& out) {
        const std::vector<double> expected = {-half_log_two_pi,
                                              -half_log_two_pi - 0.5,
                                              50 - half_log_two_pi,
                                              -50 - half_log_two_pi,
                                              nan,
                                              nan,
                                              nan};
        EXPECT_TRUE(near(out[0], expected, 2e-7));
      });
}

TEST(GaussianLikelihood, NanReachesItsRowOnly) {
  const std::vector<float> mean = {0, std::numeric_limits<float>::quiet_NaN(), 0, 0}, target = {0, 0, 1, 0};
  on_every_path(
      [&](const KernelTable& table, Stream stream) {
        Outputs out{KernelBuffer(2)};
        table.gaussian_likelihood_forward.launch({.rows = 2,
                                                  .pixels = 2,
                                                  .mean = mean.data(),
                                                  .target = target.data(),
                                                  .log_likelihood = out[0].data()},
                                                 stream);
        return out;
      },
      [&](const Outputs& out) {
        EXPECT_TRUE(std::isnan(out[0][0]));
        EXPECT_NEAR(out[0][1], -0.5 - 2 * half_log_two_pi, 1e-6);
      });
}

}  // namespace
}  // namespace cuelbo::test
