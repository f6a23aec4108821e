#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu_tables.hpp"
#include "tests/kernels/simd_functions.hpp"

namespace cuelbo::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

class Simd : public testing::TestWithParam<kernels::CpuPath> {
 protected:
  const SimdFunctions& simd = simd_functions_of(GetParam().name);

  std::vector<float> apply(SimdFunctions::Map f, const std::vector<float>& x) const {
    std::vector<float> y(x.size(), nan);
    f(x.data(), y.data(), static_cast<int>(x.size()));
    return y;
  }
  float apply(SimdFunctions::Map f, float x) const { return apply(f, std::vector<float>{x})[0]; }
};

INSTANTIATE_TEST_SUITE_P(Paths, Simd,
                         testing::ValuesIn(kernels::cpu_tables().begin(), kernels::cpu_tables().end()),
                         [](const auto& path) { return std::string(path.param.name); });

// Floats of all magnitudes in [low, high], and evenly spaced ones.
std::vector<float> samples(float low, float high) {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < 1ULL << 32; bits += 40009) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (value >= low && value <= high) x.push_back(value);
  }
  constexpr int steps = 50001;
  for (int i = 0; i <= steps; ++i) x.push_back(low + (high - low) * static_cast<float>(i) / steps);
  return x;
}

// |y − expected| in units in the last place of expected, rounded to float.
double error_in_ulp(float y, double expected) {
  const auto rounded = static_cast<float>(expected);
  if (std::isinf(rounded) || std::isinf(y)) return y == rounded ? 0 : infinity;
  const float magnitude = std::abs(rounded);
  const double ulp = static_cast<double>(std::nextafter(magnitude, infinity)) - magnitude;
  return std::abs(y - expected) / ulp;
}

template <class F>
double worst_ulp(const std::vector<float>& x, const std::vector<float>& y, F&& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = error_in_ulp(y[i], expected(static_cast<double>(x[i])));
    if (!(error <= worst)) worst = error;  // a NaN stays
    if (std::isnan(worst)) break;
  }
  return worst;
}

TEST_P(Simd, ExpIsAccurateEverywhere) {
  const auto x = samples(-104, 88.7F);
  EXPECT_LE(worst_ulp(x, apply(simd.exp, x), [](double v) { return std::exp(v); }), 2);
  EXPECT_EQ(apply(simd.exp, 0.0F), 1);
  EXPECT_EQ(apply(simd.exp, 89.0F), infinity);
  EXPECT_EQ(apply(simd.exp, infinity), infinity);
  EXPECT_EQ(apply(simd.exp, -104.5F), 0);
  EXPECT_EQ(apply(simd.exp, -infinity), 0);
  EXPECT_TRUE(std::isnan(apply(simd.exp, nan)));
}

TEST_P(Simd, FastExpIsAccurateWhereItIsNotZero) {
  const auto x = samples(-87, 88);
  const auto y = apply(simd.exp_fast, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = std::exp(static_cast<double>(x[i]));
    ASSERT_LE(std::abs(y[i] - expected), 4e-7 * expected) << x[i];
  }
  EXPECT_EQ(apply(simd.exp_fast, 0.0F), 1);
  EXPECT_EQ(apply(simd.exp_fast, -87.01F), 0);
  EXPECT_EQ(apply(simd.exp_fast, -1e30F), 0);
  EXPECT_EQ(apply(simd.exp_fast, -infinity), 0);
  EXPECT_TRUE(std::isnan(apply(simd.exp_fast, nan)));
}

TEST_P(Simd, LogIsAccurateEverywhere) {
  const auto x = samples(1e-44F, std::numeric_limits<float>::max());
  EXPECT_LE(worst_ulp(x, apply(simd.log, x), [](double v) { return std::log(v); }), 2);
  const auto near_one = samples(0.5F, 2);
  EXPECT_LE(worst_ulp(near_one, apply(simd.log, near_one), [](double v) { return std::log(v); }), 2);
  EXPECT_EQ(apply(simd.log, 1.0F), 0);
  EXPECT_EQ(apply(simd.log, 0.0F), -infinity);
  EXPECT_EQ(apply(simd.log, -0.0F), -infinity);
  EXPECT_EQ(apply(simd.log, infinity), infinity);
  EXPECT_TRUE(std::isnan(apply(simd.log, -1.0F)));
  EXPECT_TRUE(std::isnan(apply(simd.log, -infinity)));
  EXPECT_TRUE(std::isnan(apply(simd.log, nan)));
}

TEST_P(Simd, TanhSigmoidAndSoftplusAreAccurate) {
  const auto x = samples(-80, 80);
  EXPECT_LE(worst_ulp(x, apply(simd.tanh, x), [](double v) { return std::tanh(v); }), 3);
  EXPECT_LE(worst_ulp(x, apply(simd.sigmoid, x), [](double v) { return 1 / (1 + std::exp(-v)); }), 4);
  EXPECT_LE(worst_ulp(x, apply(simd.softplus, x),
                      [](double v) { return std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v))); }),
            4);
  EXPECT_EQ(apply(simd.tanh, infinity), 1);
  EXPECT_EQ(apply(simd.tanh, -infinity), -1);
  EXPECT_EQ(apply(simd.sigmoid, infinity), 1);
  EXPECT_EQ(apply(simd.sigmoid, -infinity), 0);
  EXPECT_EQ(apply(simd.softplus, 1000.0F), 1000);
  EXPECT_EQ(apply(simd.softplus, -infinity), 0);
  for (const auto f : {simd.tanh, simd.sigmoid, simd.softplus}) EXPECT_TRUE(std::isnan(apply(f, nan)));
}

TEST_P(Simd, SincosIsAccurateOnTheWholeCircle) {
  std::vector<float> u;
  for (int i = 0; i < 1 << 24; i += 37) u.push_back(static_cast<float>(i) / (1 << 24));
  for (const float at : {0.0F, 0.125F, 0.25F, 0.375F, 0.5F, 0.625F, 0.75F, 0.875F}) u.push_back(at);
  u.push_back(std::nextafter(1.0F, 0.0F));
  std::vector<float> sine(u.size(), nan), cosine(u.size(), nan);
  simd.sincos_2pi(u.data(), sine.data(), cosine.data(), static_cast<int>(u.size()));
  const double turn = 2 * std::acos(-1.0);
  for (std::size_t i = 0; i < u.size(); ++i) {
    ASSERT_NEAR(sine[i], std::sin(turn * u[i]), 2e-7) << u[i];
    ASSERT_NEAR(cosine[i], std::cos(turn * u[i]), 2e-7) << u[i];
  }
}

TEST_P(Simd, SqrtAndAbsAreExact) {
  const auto x = samples(0, std::numeric_limits<float>::max());
  const auto roots = apply(simd.sqrt, x);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(roots[i], std::sqrt(x[i]));
  EXPECT_EQ(apply(simd.abs, -3.5F), 3.5F);
  EXPECT_FALSE(std::signbit(apply(simd.abs, -0.0F)));
  EXPECT_EQ(apply(simd.abs, -infinity), infinity);
}

TEST_P(Simd, ReductionsFoldHalves) {
  std::vector<float> x;
  for (int lane = 0; lane < simd.lanes; ++lane) x.push_back(static_cast<float>(1 << lane) + 0.1F);
  std::vector<float> folded = x;
  for (int half = simd.lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane)
      folded[static_cast<std::size_t>(lane)] += folded[static_cast<std::size_t>(lane + half)];
  EXPECT_EQ(simd.reduce_add(x.data()), folded[0]);
  for (int at = 0; at < simd.lanes; ++at) {
    std::vector<float> values(static_cast<std::size_t>(simd.lanes), -7);
    values[static_cast<std::size_t>(at)] = -2;
    EXPECT_EQ(simd.reduce_max(values.data()), -2) << at;
  }
}

TEST_P(Simd, MinimumAndMaximumGiveTheSecondArgumentForNan) {
  const auto n = static_cast<std::size_t>(simd.lanes);
  const std::vector<float> nans(n, nan), ones(n, 1), twos(n, 2);
  std::vector<float> y(n);
  for (const auto f : {simd.larger, simd.smaller}) {
    f(nans.data(), ones.data(), y.data());
    for (const float value : y) EXPECT_EQ(value, 1);
    f(ones.data(), nans.data(), y.data());
    for (const float value : y) EXPECT_TRUE(std::isnan(value));
  }
  simd.larger(ones.data(), twos.data(), y.data());
  EXPECT_EQ(y[0], 2);
  simd.smaller(ones.data(), twos.data(), y.data());
  EXPECT_EQ(y[0], 1);
}

TEST_P(Simd, MaskBitsFollowTheLanes) {
  const auto n = static_cast<std::size_t>(simd.lanes);
  const std::vector<float> bound(n, 0);
  for (std::size_t at = 0; at < n; ++at) {
    std::vector<float> x(n, 1);
    x[at] = -1;
    EXPECT_EQ(simd.less(x.data(), bound.data()), 1U << at);
  }
}

TEST_P(Simd, MultiplyAddRoundsOnceWhereTheHardwareDoes) {
  const auto n = static_cast<std::size_t>(simd.lanes);
  const float a = 1 + std::ldexp(1.0F, -12);  // a² = 1 + 2⁻¹¹ + 2⁻²⁴: the last term is lost by rounding
  const std::vector<float> as(n, a), cs(n, -(1 + std::ldexp(1.0F, -11)));
  std::vector<float> y(n);
  simd.multiply_add(as.data(), as.data(), cs.data(), y.data());
  EXPECT_EQ(y[0], simd.lanes == 4 ? 0 : std::ldexp(1.0F, -24));
}

// Partial loads and stores at the end of a page: one float too many would be a fault.
TEST_P(Simd, PartialAccessStaysInside) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const memory = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ASSERT_EQ(mprotect(static_cast<char*>(memory) + page, page, PROT_NONE), 0);
  auto* const end = reinterpret_cast<float*>(static_cast<char*>(memory) + page);
  const auto lanes = static_cast<std::size_t>(simd.lanes);
  std::vector<float> vector(lanes);
  for (int n = 0; n <= simd.lanes; ++n) {
    const auto count = static_cast<std::size_t>(n);
    for (std::size_t i = 0; i < lanes; ++i) vector[i] = static_cast<float>(i + 1);
    end[-n - 1] = 99;
    simd.store_partial(vector.data(), end - n, n);
    EXPECT_EQ(end[-n - 1], 99);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ((end - n)[i], static_cast<float>(i + 1));
    simd.copy_partial(end - n, vector.data(), n);
    for (std::size_t i = 0; i < lanes; ++i) EXPECT_EQ(vector[i], i < count ? static_cast<float>(i + 1) : 0);
  }
  munmap(memory, 2 * page);
}

}  // namespace
}  // namespace cuelbo::test
