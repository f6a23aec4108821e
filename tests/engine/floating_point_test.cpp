// The floating-point mode of the caller: results do not depend on it, and it is given back.
#include "kernels/runtime/floating_point.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/runtime/thread_pool.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo {
namespace {

struct Mode {
  const char* name;
  void (*set)();
};
void PrintTo(const Mode& mode, std::ostream* out) { *out << mode.name; }

void flush_denormals() {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
}

class CallersMode : public testing::TestWithParam<Mode> {
 protected:
  CallersMode() {
    std::fegetenv(&before_);
    for (std::size_t i = 0; i < values_.size(); ++i)
      values_[i] = (i % 3 == 0 ? 1e-39F : 1.0F) / static_cast<float>(i + 3);
    for (std::size_t i = 0; i < weights_.size(); ++i)
      weights_[i] = i % columns < 4 ? 1e-38F : 1.0F / static_cast<float>(i % 17 + 3);
  }
  ~CallersMode() override { std::fesetenv(&before_); }

  static bool same_mode(const std::fenv_t& a) {
    std::fenv_t b;
    std::fegetenv(&b);
#if defined(__x86_64__)
    constexpr unsigned flags = 0x3f;
    return a.__control_word == b.__control_word && (a.__mxcsr & ~flags) == (b.__mxcsr & ~flags);
#else
    return std::memcmp(&a, &b, sizeof a) == 0;
#endif
  }

  // Sums and products with rounding and with results that are denormal numbers.
  std::vector<float> results(Program::Mode mode) const {
    test::Machine machine(3);
    Program program(*machine.device, machine.parameters, {.mode = mode, .gradients = false});
    const Tensor x = program.input("x", {rows, columns});
    const Tensor w = program.constant("w", {columns, columns}, weights_);
    const Tensor bias = program.constant("bias", {columns}, std::vector<float>(columns, 0.1F));
    if (mode == Program::Mode::eager) program.write(x, values_);
    const Tensor y = linear(x, w, bias);
    program.keep(y);
    if (mode == Program::Mode::planned) {
      program.plan();
      program.write(x, values_);
      program.replay();
    }
    return program.read(y);
  }

  static constexpr std::int64_t rows = 64, columns = 96;
  std::vector<float> values_ = std::vector<float>(rows * columns);
  std::vector<float> weights_ = std::vector<float>(columns * columns);

  std::fenv_t before_{};
};

TEST_P(CallersMode, DoesNotReachAStepAndComesBack) {
  for (const Program::Mode mode : {Program::Mode::planned, Program::Mode::eager}) {
    const std::vector<float> expected = results(mode);
    GetParam().set();
    std::fenv_t callers;
    std::fegetenv(&callers);
    const std::vector<float> got = results(mode);
    const bool given_back = same_mode(callers);
    std::fesetenv(&before_);
    EXPECT_TRUE(given_back);
    EXPECT_TRUE(test::same_bits(got, expected));
  }
}

TEST_P(CallersMode, DoesNotReachTheThreadsOfAPool) {
  GetParam().set();
  kernels::ThreadPool pool(4);
  std::fesetenv(&before_);
  std::vector<float> results(4000);
  const volatile float one = 1, three = 3, tiny = std::numeric_limits<float>::min();
  kernels::parallel_for(pool.stream(), std::ssize(results), [&](std::int64_t i) {
    results[static_cast<std::size_t>(i)] = i % 2 == 0 ? one / three : tiny / three;
  });
  for (std::size_t i = 0; i < results.size(); ++i)
    ASSERT_EQ(results[i], i % 2 == 0 ? one / three : tiny / three) << i;
}

TEST_P(CallersMode, IsTheDefaultInside) {
  GetParam().set();
  bool inside = false;
  {
    const kernels::DefaultFloatingPoint mode;
    inside = same_mode(before_);
  }
  std::fesetenv(&before_);
  EXPECT_TRUE(inside);
}

std::vector<Mode> modes() {
  return {{"upward", [] { std::fesetround(FE_UPWARD); }},
          {"downward", [] { std::fesetround(FE_DOWNWARD); }},
          {"towardzero", [] { std::fesetround(FE_TOWARDZERO); }},
          {"flushing_denormals", flush_denormals},
          {"traps", [] { feenableexcept(FE_INVALID | FE_DIVBYZERO); }}};
}

INSTANTIATE_TEST_SUITE_P(Modes, CallersMode, testing::ValuesIn(modes()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cuelbo
