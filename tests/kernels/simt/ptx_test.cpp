// Instructions that the runtime emulates.
#include "kernels/runtime/ptx.hpp"

#include <vector>

#include <gmock/gmock.h>

namespace cuelbo::kernels {
namespace {

std::uint32_t bf16_pair(int low, int high) {
  return __float_as_uint(static_cast<float>(low)) >> 16 |
         (__float_as_uint(static_cast<float>(high)) & 0xffff0000U);
}

class Ptx : public testing::Test {
 protected:
  Ptx() { simt::set_deferred(false); }
  ~Ptx() override {
    simt::set_deferred(true);
    const auto finding = simt::take_finding();
    EXPECT_FALSE(finding) << to_string(*finding);
  }
};

// d[i, j] = Σ_k a[i, k] · b[k, j] + 1, read by ldmatrix from shared memory: a by rows, b transposed on the way.
__global__ void multiply_tile(const std::uint32_t* a, const std::uint32_t* b, float* d) {
  __shared__ __align__(16) std::uint32_t as[16][8];  // (16, 16) bf16
  __shared__ __align__(16) std::uint32_t bs[16][4];  // (16, 8) bf16
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 128; i += 32) as[i / 8][i % 8] = a[i];
  for (unsigned i = lane; i < 64; i += 32) bs[i / 4][i % 4] = b[i];
  __syncwarp();
  std::uint32_t ra[4], rb[4];
  ptx::ldmatrix_x4(ra, &as[lane % 16][lane / 16 * 4]);
  ptx::ldmatrix_x4_trans(rb, &bs[lane % 16][0]);
  float c[4] = {1, 1, 1, 1};
  ptx::mma_bf16(c, ra, {rb[0], rb[1]});
  for (unsigned i = 0; i < 4; ++i) d[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = c[i];
}

TEST_F(Ptx, LdmatrixAndMmaMultiplySmallIntegersExactly) {
  int a[16][16], b[16][8];
  std::vector<std::uint32_t> a_bits, b_bits;
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 16; ++k) a[i][k] = (i * 7 + k * 3) % 11 - 5;
  for (int k = 0; k < 16; ++k)
    for (int j = 0; j < 8; ++j) b[k][j] = (k * 5 + j * 2) % 13 - 6;
  for (auto& row : a)
    for (int k = 0; k < 16; k += 2) a_bits.push_back(bf16_pair(row[k], row[k + 1]));
  for (auto& row : b)
    for (int j = 0; j < 8; j += 2) b_bits.push_back(bf16_pair(row[j], row[j + 1]));
  std::vector<float> d(16 * 8);
  launch(multiply_tile, 1, 32, 0, {}, a_bits.data(), b_bits.data(), d.data());
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      int expected = 1;
      for (int k = 0; k < 16; ++k) expected += a[i][k] * b[k][j];
      EXPECT_EQ(d[static_cast<std::size_t>(i * 8 + j)], expected) << i << ", " << j;
    }
}

__global__ void multiply_tf32(const float* a, const float* b, float* d) {
  const unsigned lane = threadIdx.x, group = lane / 4, k = lane % 4;
  const auto bits = [](float x) { return __float_as_uint(x); };
  float c[4] = {};
  ptx::mma_tf32(c,
                {bits(a[group * 8 + k]), bits(a[(group + 8) * 8 + k]), bits(a[group * 8 + k + 4]),
                 bits(a[(group + 8) * 8 + k + 4])},
                {bits(b[k * 8 + group]), bits(b[(k + 4) * 8 + group])});
  for (unsigned i = 0; i < 4; ++i) d[(group + 8 * (i / 2)) * 8 + 2 * k + i % 2] = c[i];
}

TEST_F(Ptx, Tf32DropsTheLowerThirteenBits) {
  std::vector<float> a(16 * 8), b(8 * 8), d(16 * 8);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 5 % 17) - 8);
  a[3] += 0x1p-12F * a[3];  // below tf32's precision
  launch(multiply_tf32, 1, 32, 0, {}, a.data(), b.data(), d.data());
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j) {
      float expected = 0;
      for (std::size_t k = 0; k < 8; ++k) expected += std::round(a[i * 8 + k]) * b[k * 8 + j];
      EXPECT_EQ(d[i * 8 + j], expected) << i << ", " << j;
    }
}

template <int groups_left>
__global__ void copy_two_groups(const float* x, float* y) {
  __shared__ __align__(16) float tile[8];
  ptx::cp_async_16(tile, x);
  ptx::cp_async_commit();
  ptx::cp_async_16(tile + 4, x + 4, 8);
  ptx::cp_async_commit();
  ptx::cp_async_wait<groups_left>();
  for (int i = 0; i < 8; ++i) y[i] = tile[i];
}

TEST_F(Ptx, AsynchronousCopiesArriveWhenWaitedFor) {
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> y(8);
  launch(copy_two_groups<0>, 1, 1, 0, {}, x.data(), y.data());
  EXPECT_THAT(y, testing::ElementsAre(1, 2, 3, 4, 5, 6, 0, 0));
  if (simt::one_worker) return;
  launch(copy_two_groups<1>, 1, 1, 0, {}, x.data(), y.data());
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(std::isnan(y[i]), i >= 4) << i;
}

__global__ void half_a_warp(float* d) {
  if (threadIdx.x >= 16) return;
  float c[4] = {};
  ptx::mma_bf16(c, {0, 0, 0, 0}, {0, 0});
  d[0] = c[0];
}

TEST_F(Ptx, TensorCoresNeedTheWholeWarp) {
  float d = 0;
  launch(half_a_warp, 1, 32, 0, {}, &d);
  const auto finding = simt::take_finding();
  ASSERT_TRUE(finding);
  EXPECT_THAT(to_string(*finding), testing::HasSubstr("without all lanes of the warp"));
}

}  // namespace
}  // namespace cuelbo::kernels
