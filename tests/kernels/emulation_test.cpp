// AVX-512 emulated: its results are those of the hardware to the bit, where the hardware is there to compare with.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cpu_tables.hpp"
#include "tests/kernels/elbo_decomposition_problem.hpp"
#include "tests/kernels/simd_functions.hpp"

#if defined(CUELBO_HAVE_EMULATED_PATH)

namespace cuelbo::test {
namespace {

class Emulation : public testing::Test {
 protected:
  void SetUp() override {
    for (const kernels::CpuPath& path : kernels::cpu_tables())
      if (std::string_view(path.name) == "avx512") hardware_ = &path.table(kernels::Precision::fp32);
    if (hardware_ == nullptr) GTEST_SKIP() << "this CPU has no AVX-512 to compare with";
    emulated_ = &kernels::find_cpu_path("avx512_emulated").table(kernels::Precision::fp32);
  }

  const kernels::KernelTable* hardware_ = nullptr;
  const kernels::KernelTable* emulated_ = nullptr;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_F(Emulation, FunctionsOfAllMagnitudesAreTheSame) {
  const SimdFunctions& hardware = simd_functions_of("avx512");
  const SimdFunctions& emulated = simd_functions_of("avx512_emulated");
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < 1ULL << 32; bits += 40009) {
    const auto word = static_cast<std::uint32_t>(bits);
    float value = 0;
    std::memcpy(&value, &word, sizeof value);
    if (!std::isnan(value)) x.push_back(value);
  }
  const auto apply = [&](SimdFunctions::Map f) {
    std::vector<float> y(x.size());
    f(x.data(), y.data(), static_cast<int>(x.size()));
    for (float& value : y)
      if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();  // of one sign and payload
    return y;
  };
  for (const auto function :
       {&SimdFunctions::exp, &SimdFunctions::exp_fast, &SimdFunctions::log, &SimdFunctions::tanh,
        &SimdFunctions::sigmoid, &SimdFunctions::softplus, &SimdFunctions::sqrt, &SimdFunctions::abs})
    EXPECT_TRUE(same_bits(apply(hardware.*function), apply(emulated.*function)));
}

TEST_F(Emulation, DecompositionsAreTheSame) {
  for (const double deviation : {0.5, 0.01}) {
    const ElboProblem p = make_problem(
        {.rows = 67, .columns = 67, .dims = 11, .classes = {4}, .deviation = deviation, .spread = 1},
        hfvae_blocks(11, 3, 1));
    const ElboResult expected = run_kernel(p, *hardware_), result = run_kernel(p, *emulated_);
    EXPECT_TRUE(same_bits(expected.log_q, result.log_q));
    const auto all = expected.all(), ours = result.all();
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(same_bits(*all[i], *ours[i])) << i;
  }
}

}  // namespace
}  // namespace cuelbo::test

#endif
