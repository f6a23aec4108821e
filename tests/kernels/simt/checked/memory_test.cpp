// 12 planted reads of what was never written, or of asynchronous copies that were not waited for.
#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class UnwrittenMemory : public Checked {};
CUELBO_IN_ALL_ORDERS(UnwrittenMemory);

__global__ void unwritten_static(float* y) {
  __shared__ float values[64];
  if (threadIdx.x != 5) values[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x];  // unwritten static
}
TEST_P(UnwrittenMemory, ReadOfUnwrittenStaticSharedMemory) {
  Array<float> y(64);
  EXPECT_THAT(found(unwritten_static, 1, 64, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("unwritten static") + ": block (0, 0, 0), thread (5, 0, 0): "),
                    HasSubstr("read of 4 bytes of static shared memory that this block has not written")));
}

// A write by the block before does not count, nor does one of half a word.
__global__ void unwritten_dynamic(unsigned short* y) {
  auto* values = dynamic_shared<unsigned short>();
  if (blockIdx.x == 0 || threadIdx.x % 2 == 0) values[threadIdx.x] = 1;
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = values[threadIdx.x];  // unwritten dynamic
}
TEST_P(UnwrittenMemory, ReadOfUnwrittenDynamicSharedMemory) {
  Array<unsigned short> y(128);
  EXPECT_THAT(found(unwritten_dynamic, 2, 64, 128, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("unwritten dynamic") + ": block (1, 0, 0)"),
                    HasSubstr("read of 2 bytes of dynamic shared memory that this block has not written")));
}

__global__ void copy(const float* x, float* y, int from, int to) {
  y[to] = x[from];  // copy
}
TEST_P(UnwrittenMemory, ReadOfUnwrittenGlobalMemory) {
  Array<float> x(2), y(1);
  EXPECT_THAT(found(copy, 1, 1, 0, x.data(), y.data(), 0, 0),
              AllOf(HasSubstr(CUELBO_LINE("copy")), HasSubstr("global memory that nothing has written")));
  cudaMemset(x.data(), 0xff, sizeof(float));  // what unwritten memory holds, but written
  EXPECT_EQ(found(copy, 1, 1, 0, x.data(), y.data(), 0, 0), "nothing");
  EXPECT_NE(found(copy, 1, 1, 0, x.data(), y.data(), 1, 0), "nothing");
}

template <bool wait, bool barrier>
__global__ void async_tile(const float* x, float* y) {
  __shared__ __align__(16) float tile[256];
  ptx::cp_async_16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x);  // async: copy
  ptx::cp_async_commit();
  if (wait) ptx::cp_async_wait<0>();
  if (barrier) __syncthreads();
  y[threadIdx.x] = tile[255 - 4 * threadIdx.x];  // async: read
}
TEST_P(UnwrittenMemory, AsynchronousCopyWithoutWait) {
  Array<float> x(std::vector<float>(256, 1)), y(64);
  EXPECT_EQ(found(async_tile<true, true>, 1, 64, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(found(async_tile<false, true>, 1, 64, 0, x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("async: read") + ": block"),
                    HasSubstr("asynchronous copy, not waited for, of thread ("), HasSubstr("at "),
                    HasSubstr(CUELBO_LINE("async: copy") + "; between warps")));
}
TEST_P(UnwrittenMemory, AsynchronousCopyWithoutBarrierAfterItsWait) {
  Array<float> x(std::vector<float>(256, 1)), y(64);
  const std::string finding = found(async_tile<true, false>, 1, 64, 0, x.data(), y.data());
  EXPECT_THAT(finding,
              testing::AnyOf(HasSubstr("between warps; shared memory"), HasSubstr("has not written")));
}

// The copy of the next round begins while other threads still read this one's.
__global__ void async_too_early(const float* x, float* y) {
  __shared__ __align__(16) float tile[256];
  for (int round = 0; round < 2; ++round) {
    ptx::cp_async_16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x);  // early: copy
    ptx::cp_async_commit();
    if (round > 0) __syncthreads();
    ptx::cp_async_wait<0>();
    __syncthreads();
    y[threadIdx.x] = tile[255 - 4 * threadIdx.x];  // early: read
  }
}
TEST_P(UnwrittenMemory, AsynchronousCopyIntoWhatIsStillRead) {
  Array<float> x(std::vector<float>(256, 1)), y(64);
  EXPECT_THAT(found(async_too_early, 1, 64, 0, x.data(), y.data()),
              AllOf(HasSubstr("asynchronous copy"), HasSubstr(CUELBO_LINE("early: copy")),
                    HasSubstr(CUELBO_LINE("early: read")), HasSubstr("between warps; shared memory")));
}

__global__ void load_matrix(const std::uint32_t* x, std::uint32_t* y, bool synchronised) {
  __shared__ __align__(16) std::uint32_t tile[8 * 4 * 4];
  for (unsigned i = threadIdx.x; i < 128; i += 32) tile[i] = 0;
  __syncwarp();
  for (unsigned i = threadIdx.x; i < 128; i += 32) tile[i] = x[i];
  if (synchronised) __syncwarp();
  std::uint32_t r[4];
  ptx::ldmatrix_x4(r, tile + threadIdx.x * 4);  // ldmatrix
  y[threadIdx.x] = r[0] + r[1] + r[2] + r[3];
}
TEST_P(UnwrittenMemory, LdmatrixWithoutSyncwarp) {
  Array<std::uint32_t> x(std::vector<std::uint32_t>(128, 1)), y(32);
  EXPECT_EQ(found(load_matrix, 1, 32, 0, x.data(), y.data(), true), "nothing");
  EXPECT_THAT(found(load_matrix, 1, 32, 0, x.data(), y.data(), false),
              AllOf(HasSubstr(CUELBO_LINE("ldmatrix")), HasSubstr("within a warp; shared memory")));
}

// Blocks that stand for the borders of the grid leave the outer part of their halo as it was.
__global__ void stencil(const float* x, float* y, int n) {
  __shared__ float tile[34];
  const int i = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  tile[threadIdx.x + 1] = x[i];
  if (threadIdx.x == 0 && i > 0) tile[0] = x[i - 1];
  if (threadIdx.x == 31 && i + 1 < n) tile[33] = x[i + 1];
  __syncthreads();
  y[i] = tile[threadIdx.x] + tile[threadIdx.x + 2];  // halo
}
TEST_P(UnwrittenMemory, HaloAtTheBorderOfTheGrid) {
  Array<float> x(std::vector<float>(64, 1)), y(64);
  EXPECT_THAT(
      found(stencil, 2, 32, 0, x.data(), y.data(), 64),
      AllOf(HasSubstr(CUELBO_LINE("halo")), HasSubstr("static shared memory that this block has not")));
}

// Sums of warps that the block does not have.
__global__ void sum_of_warps(float* y) {
  __shared__ float of_warp[32];
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = 1;
  __syncthreads();
  if (threadIdx.x < 32) y[threadIdx.x] = of_warp[threadIdx.x];  // warps
}
TEST_P(UnwrittenMemory, SumsOfWarpsThatTheBlockDoesNotHave) {
  Array<float> y(32);
  EXPECT_THAT(found(sum_of_warps, 1, 96, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("warps")), HasSubstr("read of 4 bytes of static shared memory")));
  EXPECT_EQ(found(sum_of_warps, 1, 1024, 0, y.data()), "nothing");
}

__global__ void accumulate(float* sum) { atomicAdd(sum, 1.0F); }
TEST_P(UnwrittenMemory, AccumulatorThatWasNotSetToZero) {
  Array<float> sum(1);
  EXPECT_THAT(found(accumulate, 1, 32, 0, sum.data()),
              HasSubstr("atomic operation of 4 bytes of global memory that nothing has written"));
  cudaMemset(sum.data(), 0, sizeof(float));
  EXPECT_EQ(found(accumulate, 1, 32, 0, sum.data()), "nothing");
}

// The host copies elements for bytes.
TEST_P(UnwrittenMemory, HostCopyThatIsTooShort) {
  Array<float> x(64), y(1);
  const std::vector<float> values(64, 1);
  cudaMemcpy(x.data(), values.data(), 64, cudaMemcpyHostToDevice);
  EXPECT_EQ(found(copy, 1, 1, 0, x.data(), y.data(), 15, 0), "nothing");
  EXPECT_THAT(found(copy, 1, 1, 0, x.data(), y.data(), 16, 0), HasSubstr("that nothing has written"));
}

// The last tile of a pipeline needs a wait for all groups, not for all but one.
template <int groups_left>
__global__ void two_stages(const float* x, float* y, int tiles) {
  __shared__ __align__(16) float stage[2][128];
  const auto start = [&](int tile) {
    ptx::cp_async_16(&stage[tile % 2][4 * threadIdx.x], x + tile * 128 + 4 * static_cast<int>(threadIdx.x));
    ptx::cp_async_commit();
  };
  start(0);
  float sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles) start(tile + 1);
    if (tile + 1 < tiles)
      ptx::cp_async_wait<1>();
    else
      ptx::cp_async_wait<groups_left>();
    __syncthreads();
    sum += stage[tile % 2][4 * threadIdx.x];  // last tile
    __syncthreads();
  }
  y[threadIdx.x] = sum;
}
TEST_P(UnwrittenMemory, LastTileOfAPipelineNotWaitedFor) {
  Array<float> x(std::vector<float>(3 * 128, 1)), y(32);
  EXPECT_EQ(found(two_stages<0>, 1, 32, 0, x.data(), y.data(), 3), "nothing");
  EXPECT_THAT(found(two_stages<1>, 1, 32, 0, x.data(), y.data(), 3),
              AllOf(HasSubstr(CUELBO_LINE("last tile")),
                    HasSubstr("asynchronous copy, not waited for, of thread (")));
}

}  // namespace
}  // namespace cuelbo::kernels
