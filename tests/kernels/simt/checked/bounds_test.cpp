// 17 planted bad addresses: outside of what the kernel may use, freed, or misaligned.
#include "kernels/runtime/pack.cuh"
#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BadAddresses : public Checked {};
CUELBO_IN_ALL_ORDERS(BadAddresses);

__global__ void copy(const float* x, float* y, int from, int to) {
  y[to] = x[from];  // copy
}
TEST_P(BadAddresses, GlobalMemoryOutOfBounds) {
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
TEST_P(BadAddresses, SharedMemoryOutOfBounds) {
  EXPECT_EQ(found(write_dynamic, 1, 1, 40, 9), "nothing");
  EXPECT_THAT(found(write_dynamic, 1, 1, 40, 10),
              HasSubstr("write of 4 bytes outside of all memory that kernels may use, 0 bytes behind dynamic "
                        "shared memory of 40 bytes"));
  EXPECT_THAT(found(write_dynamic, 1, 1, 0, 3),
              HasSubstr("outside of all memory that kernels may use; dynamic shared memory, of which this "
                        "launch has 0 bytes"));
}

TEST_P(BadAddresses, UseAfterFree) {
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
TEST_P(BadAddresses, MisalignedVector) {
  Array<float> x(std::vector<float>(8, 1)), y(8);
  EXPECT_EQ(found(copy_float4, 1, 1, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(found(copy_float4, 1, 1, 0, x.data() + 1, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("float4")),
                    HasSubstr("read of 16 bytes at an address that is not a multiple of 16")));
  EXPECT_THAT(found(copy_float4, 1, 1, 0, x.data(), y.data() + 2),
              HasSubstr("write of 16 bytes at an address"));
}

__global__ void share_a_local(int** pointers) {
  int local = static_cast<int>(threadIdx.x);
  pointers[threadIdx.x] = &local;
  __syncthreads();
  *pointers[threadIdx.x ^ 1U] = 0;  // local
  __syncthreads();
}
TEST_P(BadAddresses, LocalVariablesOfOtherThreads) {
  Array<int*> pointers(2);
  EXPECT_THAT(found(share_a_local, 1, 2, 0, pointers.data()),
              AllOf(HasSubstr(CUELBO_LINE("local")), HasSubstr("outside of all memory")));
}

__global__ void read_a_local(const int** pointers, int* y) {
  const int local = static_cast<int>(threadIdx.x);
  pointers[threadIdx.x] = &local;
  __syncthreads();
  y[threadIdx.x] = *pointers[threadIdx.x ^ 1U];  // peer
  __syncthreads();
}
TEST_P(BadAddresses, ReadOfALocalVariableOfAnotherThread) {
  Array<const int*> pointers(2);
  Array<int> y(2);
  EXPECT_THAT(found(read_a_local, 1, 2, 0, pointers.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("peer")), HasSubstr("read of 4 bytes outside of all memory")));
}

// Grids are rounded up to whole blocks.
template <int mistake>  // 0: i <= n, 1: no test at all
__global__ void guarded(float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n + 1 || mistake == 1) y[i] = 1;  // guard
}
TEST_P(BadAddresses, GuardThatLetsOneThreadTooManyPass) {
  Array<float> y(100);
  EXPECT_THAT(found(guarded<0>, 4, 32, 0, y.data(), 100),
              AllOf(HasSubstr(CUELBO_LINE("guard") + ": block (3, 0, 0), thread (4, 0, 0): write of 4 bytes"),
                    HasSubstr(", 0 bytes behind global memory of 400 bytes")));
  EXPECT_EQ(found(guarded<0>, 4, 32, 0, y.data(), 99), "nothing");
}
TEST_P(BadAddresses, NoGuardInARoundedGrid) {
  Array<float> y(100);
  EXPECT_THAT(
      found(guarded<1>, 4, 32, 0, y.data(), 100),
      AllOf(HasSubstr(CUELBO_LINE("guard") + ": block (3, 0, 0)"), HasSubstr("behind global memory")));
}

__global__ void difference(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] - x[threadIdx.x - 1];  // difference
}
TEST_P(BadAddresses, UnsignedIndexBelowZero) {
  Array<float> x(std::vector<float>(32, 1)), y(32);
  EXPECT_THAT(
      found(difference, 1, 32, 0, x.data(), y.data()),
      AllOf(HasSubstr(CUELBO_LINE("difference")), HasSubstr("thread (0, 0, 0): read of 4 bytes outside")));
}

__global__ void count(unsigned* counts, int bin) { atomicAdd(&counts[bin], 1U); }
TEST_P(BadAddresses, AtomicOutOfBounds) {
  Array<unsigned> counts(std::vector<unsigned>(8, 0));
  EXPECT_THAT(found(count, 1, 1, 0, counts.data(), 8), AllOf(HasSubstr("atomic operation of 4 bytes outside"),
                                                             HasSubstr("behind global memory of 32")));
}

// ---- static shared arrays: the memory beside them belongs to no array

__global__ void neighbours(int* y, int row, int column) {
  __shared__ int before[8], square[4][8];
  __shared__ int behind[8];
  before[threadIdx.x] = behind[threadIdx.x] = 1;
  for (auto& row_of_square : square) row_of_square[threadIdx.x] = 2;
  __syncthreads();
  y[threadIdx.x] = square[row][column] + before[threadIdx.x] + behind[threadIdx.x];  // square
}
TEST_P(BadAddresses, IndexThatLeavesAStaticSharedArrayForItsNeighbour) {
  Array<int> y(8);
  EXPECT_EQ(found(neighbours, 1, 8, 0, y.data(), 3, 7), "nothing");
  EXPECT_EQ(found(neighbours, 1, 8, 0, y.data(), 0, 31), "nothing");  // within the array
  EXPECT_THAT(found(neighbours, 1, 8, 0, y.data(), 4, 0),
              AllOf(HasSubstr(CUELBO_LINE("square")), HasSubstr("read of 4 bytes outside of all memory"),
                    HasSubstr(", 0 bytes behind static shared memory of 128 bytes")));
  EXPECT_THAT(found(neighbours, 1, 8, 0, y.data(), 0, -1),
              HasSubstr(", 4 bytes in front of static shared memory of 128 bytes"));
}

__global__ void without_padding(float* y) {
  __shared__ float tile[32 * 32];  // for a pitch of 33
  __shared__ float other[32];
  other[threadIdx.x] = 0;
  for (unsigned row = 0; row < 32; ++row) tile[row * 33 + threadIdx.x] = 1;  // pitch
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x] + other[threadIdx.x];
}
TEST_P(BadAddresses, PitchThatTheTileHasNoRoomFor) {
  Array<float> y(32);
  EXPECT_THAT(found(without_padding, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("pitch")), HasSubstr("behind static shared memory of 4096 bytes")));
}

// Two arrays in dynamic shared memory, of which the launch asks for one, or counts elements for bytes.
__global__ void two_arrays(float* y) {
  auto* const a = dynamic_shared<float>();
  float* const b = a + blockDim.x;
  a[threadIdx.x] = b[threadIdx.x] = 1;  // second array
  __syncthreads();
  y[threadIdx.x] = a[threadIdx.x] + b[threadIdx.x];
}
TEST_P(BadAddresses, TooLittleDynamicSharedMemoryAskedFor) {
  Array<float> y(32);
  EXPECT_EQ(found(two_arrays, 1, 32, 2 * 32 * sizeof(float), y.data()), "nothing");
  for (const std::size_t bytes : {std::size_t{0}, 32 * sizeof(float), std::size_t{64}})
    EXPECT_THAT(found(two_arrays, 1, 32, bytes, y.data()),
                AllOf(HasSubstr(CUELBO_LINE("second array")), HasSubstr("outside of all memory")));
}

// ---- alignment

__global__ void load_row(const float* x, float4* y, int pitch) {
  y[threadIdx.x] = *reinterpret_cast<const float4*>(x + static_cast<int>(threadIdx.x) * pitch);  // row
}
TEST_P(BadAddresses, RowsThatAreNoMultipleOfAVector) {
  Array<float> x(std::vector<float>(32 * 6, 1));
  Array<float4> y(32);
  EXPECT_EQ(found(load_row, 1, 16, 0, x.data(), y.data(), 8), "nothing");
  EXPECT_THAT(found(load_row, 1, 16, 0, x.data(), y.data(), 6),
              AllOf(HasSubstr(CUELBO_LINE("row")), HasSubstr("not a multiple of 16")));
}

// Findings in helpers of kernels/runtime name the line that calls them.
__global__ void load_pack(const float* x, float* y) {
  y[0] = cuda::load<4>(x)[3];  // pack
}
TEST_P(BadAddresses, InAHelperShowTheLineThatCallsIt) {
  Array<float> x(std::vector<float>(8, 1)), y(1);
  EXPECT_THAT(found(load_pack, 1, 1, 0, x.data() + 1, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("pack")), HasSubstr("not a multiple of 16")));
}

__global__ void load_matrix(std::uint32_t* y, unsigned pitch) {
  __shared__ __align__(16) std::uint32_t tile[32 * 8];
  for (unsigned i = threadIdx.x; i < 32 * 8; i += 32) tile[i] = i;
  __syncwarp();
  std::uint32_t r[4];
  ptx::ldmatrix_x4(r, tile + threadIdx.x * pitch);  // ldmatrix
  y[threadIdx.x] = r[0] + r[1] + r[2] + r[3];
}
TEST_P(BadAddresses, LdmatrixOfAnUnalignedRow) {
  Array<std::uint32_t> y(32);
  EXPECT_EQ(found(load_matrix, 1, 32, 0, y.data(), 4U), "nothing");
  EXPECT_THAT(found(load_matrix, 1, 32, 0, y.data(), 5U),
              AllOf(HasSubstr(CUELBO_LINE("ldmatrix")), HasSubstr("not a multiple of 16")));
}

__global__ void copy_async(const float* x, float* y, unsigned offset) {
  __shared__ __align__(16) float tile[32 * 4];
  ptx::cp_async_16(tile + 4 * threadIdx.x, x + 4 * threadIdx.x + offset);  // cp.async
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  y[threadIdx.x] = tile[4 * threadIdx.x];
}
TEST_P(BadAddresses, AsynchronousCopyFromAnUnalignedAddress) {
  Array<float> x(std::vector<float>(132, 1)), y(32);
  EXPECT_EQ(found(copy_async, 1, 32, 0, x.data(), y.data(), 4U), "nothing");
  EXPECT_THAT(found(copy_async, 1, 32, 0, x.data(), y.data(), 2U),
              AllOf(HasSubstr(CUELBO_LINE("cp.async")), HasSubstr("not a multiple of 16")));
}

}  // namespace
}  // namespace cuelbo::kernels
