// Reads of what was never written, addresses that are wrong, asynchronous copies that were not waited for.
#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BadAccesses : public Checked {};
CUELBO_IN_ALL_ORDERS(BadAccesses);

__global__ void unwritten_static(float* y) {
  __shared__ float values[64];
  if (threadIdx.x != 5) values[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x];  // unwritten static
}
TEST_P(BadAccesses, ReadOfUnwrittenStaticSharedMemory) {
  Array<float> y(64);
  EXPECT_THAT(found(unwritten_static, 1, 64, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("unwritten static") + ": block (0, 0, 0), thread (5, 0, 0): "),
                    HasSubstr("read of 4 bytes of static shared memory that this block has not written")));
}

// What the block before left behind does not count, nor does half of a word.
__global__ void unwritten_dynamic(unsigned short* y) {
  auto* values = dynamic_shared<unsigned short>();
  if (blockIdx.x == 0 || threadIdx.x % 2 == 0) values[threadIdx.x] = 1;
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = values[threadIdx.x];  // unwritten dynamic
}
TEST_P(BadAccesses, ReadOfUnwrittenDynamicSharedMemory) {
  Array<unsigned short> y(128);
  EXPECT_THAT(found(unwritten_dynamic, 2, 64, 128, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("unwritten dynamic") + ": block (1, 0, 0)"),
                    HasSubstr("read of 2 bytes of dynamic shared memory that this block has not written")));
}

__global__ void copy(const float* x, float* y, int from, int to) {
  y[to] = x[from];  // copy
}
TEST_P(BadAccesses, ReadOfUnwrittenGlobalMemory) {
  Array<float> x(2), y(1);
  EXPECT_THAT(found(copy, 1, 1, 0, x.data(), y.data(), 0, 0),
              AllOf(HasSubstr(CUELBO_LINE("copy")), HasSubstr("global memory that nothing has written")));
  cudaMemset(x.data(), 0xff, sizeof(float));  // what unwritten memory holds, but written
  EXPECT_EQ(found(copy, 1, 1, 0, x.data(), y.data(), 0, 0), "nothing");
  EXPECT_NE(found(copy, 1, 1, 0, x.data(), y.data(), 1, 0), "nothing");
}

TEST_P(BadAccesses, GlobalMemoryOutOfBounds) {
  Array<float> x(std::vector<float>(100, 1)), y(1);
  EXPECT_THAT(found(copy, 1, 1, 0, x.data(), y.data(), 100, 0),
              AllOf(HasSubstr(CUELBO_LINE("copy")), HasSubstr("read of 4 bytes outside of all memory"),
                    HasSubstr(", 0 bytes behind global memory of 400 bytes")));
  EXPECT_THAT(
      found(copy, 1, 1, 0, x.data(), y.data(), 0, -1),
      AllOf(HasSubstr("write of 4 bytes outside"), HasSubstr("4 bytes in front of global memory of 4")));
  const float host = 1;
  EXPECT_THAT(found(copy, 1, 1, 0, &host, y.data(), 0, 0), HasSubstr("outside of all memory"));
  EXPECT_THAT(found(copy, 1, 1, 0, static_cast<const float*>(nullptr), y.data(), 0, 0),
              HasSubstr("outside of all memory"));
}

__global__ void write_dynamic(int index) { dynamic_shared<int>()[index] = 1; }
TEST_P(BadAccesses, SharedMemoryOutOfBounds) {
  EXPECT_EQ(found(write_dynamic, 1, 1, 40, 9), "nothing");
  EXPECT_THAT(found(write_dynamic, 1, 1, 40, 10),
              HasSubstr("write of 4 bytes outside of all memory that kernels may use, 0 bytes behind dynamic "
                        "shared memory of 40 bytes"));
}

TEST_P(BadAccesses, UseAfterFree) {
  Array<float> y(1);
  float* freed = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&freed), 400);
  cudaFree(freed);
  EXPECT_THAT(found(copy, 1, 1, 0, static_cast<const float*>(freed), y.data(), 0, 0),
              HasSubstr("read of 4 bytes of freed memory"));
}

__global__ void copy_float4(const float* x, float* y) {
  *reinterpret_cast<float4*>(y) = *reinterpret_cast<const float4*>(x);  // float4
}
TEST_P(BadAccesses, MisalignedVector) {
  Array<float> x(std::vector<float>(8, 1)), y(8);
  EXPECT_EQ(found(copy_float4, 1, 1, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(found(copy_float4, 1, 1, 0, x.data() + 1, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("float4")),
                    HasSubstr("read of 16 bytes at an address that is no multiple of 16")));
  EXPECT_THAT(found(copy_float4, 1, 1, 0, x.data(), y.data() + 2),
              HasSubstr("write of 16 bytes at an address"));
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
TEST_P(BadAccesses, AsynchronousCopyWithoutWait) {
  Array<float> x(std::vector<float>(256, 1)), y(64);
  EXPECT_EQ(found(async_tile<true, true>, 1, 64, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(found(async_tile<false, true>, 1, 64, 0, x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("async: read") + ": block"),
                    HasSubstr("asynchronous copy, not waited for, of thread ("), HasSubstr("at "),
                    HasSubstr(CUELBO_LINE("async: copy") + "; between warps")));
}
TEST_P(BadAccesses, AsynchronousCopyWithoutBarrierAfterItsWait) {
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
TEST_P(BadAccesses, AsynchronousCopyIntoWhatIsStillRead) {
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
TEST_P(BadAccesses, LdmatrixWithoutSyncwarp) {
  Array<std::uint32_t> x(std::vector<std::uint32_t>(128, 1)), y(32);
  EXPECT_EQ(found(load_matrix, 1, 32, 0, x.data(), y.data(), true), "nothing");
  EXPECT_THAT(found(load_matrix, 1, 32, 0, x.data(), y.data(), false),
              AllOf(HasSubstr(CUELBO_LINE("ldmatrix")), HasSubstr("within a warp; shared memory")));
}

__global__ void share_a_local(int** pointers) {
  int local = static_cast<int>(threadIdx.x);
  pointers[threadIdx.x] = &local;
  __syncthreads();
  *pointers[threadIdx.x ^ 1U] = 0;  // local
  __syncthreads();
}
TEST_P(BadAccesses, LocalVariablesOfOtherThreads) {
  Array<int*> pointers(2);
  EXPECT_THAT(found(share_a_local, 1, 2, 0, pointers.data()),
              AllOf(HasSubstr(CUELBO_LINE("local")), HasSubstr("outside of all memory")));
}

}  // namespace
}  // namespace cuelbo::kernels
