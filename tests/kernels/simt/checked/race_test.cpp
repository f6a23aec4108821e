// 18 planted races within a block, each told apart by what ought to have ordered the threads.
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Races : public Checked {};
CUELBO_IN_ALL_ORDERS(Races);

__global__ void no_barrier_between_warps(int* y) {
  __shared__ int values[64];
  values[threadIdx.x] = 0;
  __syncthreads();
  values[threadIdx.x] = 1;                    // barrier: write
  y[threadIdx.x] = values[63 - threadIdx.x];  // barrier: read
}
TEST_P(Races, MissingBarrierBetweenWarps) {
  Array<int> y(64);
  EXPECT_THAT(found(no_barrier_between_warps, 1, 64, 0, y.data()),
              AllOf(HasSubstr("between warps; shared memory"), HasSubstr(CUELBO_LINE("barrier: write")),
                    HasSubstr(CUELBO_LINE("barrier: read"))));
}

__global__ void no_syncwarp(int* y) {
  __shared__ int values[32];
  values[threadIdx.x] = 0;
  __syncwarp();
  values[threadIdx.x] = 1;                    // syncwarp: write
  y[threadIdx.x] = values[31 - threadIdx.x];  // syncwarp: read
}
TEST_P(Races, MissingSyncwarp) {
  Array<int> y(32);
  EXPECT_THAT(found(no_syncwarp, 1, 32, 0, y.data()),
              AllOf(HasSubstr("within a warp; shared memory"), HasSubstr(CUELBO_LINE("syncwarp: write")),
                    HasSubstr(CUELBO_LINE("syncwarp: read"))));
}

// Lanes 0 … 15 and 16 … 31 each meet, and then read of each other.
__global__ void syncwarp_of_half(int* y) {
  __shared__ int values[32];
  const unsigned half = threadIdx.x < 16 ? 0x0000ffffU : 0xffff0000U;
  values[threadIdx.x] = 0;
  __syncwarp();
  values[threadIdx.x] = 1;
  __syncwarp(half);
  y[threadIdx.x] = values[threadIdx.x ^ 16U];
}
TEST_P(Races, SyncwarpOfTheWrongLanes) {
  Array<int> y(32);
  EXPECT_THAT(found(syncwarp_of_half, 1, 32, 0, y.data()), HasSubstr("within a warp; shared memory"));
}

__global__ void no_second_barrier(int* y, unsigned first_reader) {
  __shared__ int sum;
  for (int round = 0; round < 3; ++round) {
    if (threadIdx.x == 0) sum = round;  // second barrier: write
    __syncthreads();
    if (threadIdx.x >= first_reader) y[threadIdx.x] += sum;  // second barrier: read
  }
}
TEST_P(Races, MissingSecondBarrierInALoop) {
  Array<int> y(std::vector<int>(64, 0));
  EXPECT_THAT(found(no_second_barrier, 1, 64, 0, y.data(), 32U),
              AllOf(HasSubstr("between warps"), HasSubstr(CUELBO_LINE("second barrier: write")),
                    HasSubstr(CUELBO_LINE("second barrier: read"))));
}
TEST_P(Races, MissingSecondBarrierInALoopOfOneWarp) {
  Array<int> y(std::vector<int>(32, 0));
  EXPECT_THAT(found(no_second_barrier, 1, 32, 0, y.data(), 1U), HasSubstr("within a warp"));
}

__global__ void shift_in_place(int* y) {
  const int next = y[threadIdx.x + 1];
  y[threadIdx.x] = next;
}
TEST_P(Races, RaceOnGlobalMemoryWithinABlock) {
  Array<int> y(std::vector<int>(65, 1));
  EXPECT_THAT(found(shift_in_place, 1, 64, 0, y.data()), HasSubstr("; global memory"));
}

__global__ void all_write_one(int* y) {
  y[0] = 7;  // same value
}
TEST_P(Races, WritesOfTheSameValue) {
  Array<int> y(std::vector<int>{0});
  const std::string finding = found(all_write_one, 1, 2, 0, y.data());
  EXPECT_THAT(finding, AllOf(HasSubstr("write of 4 bytes races with the write of thread ("),
                             HasSubstr(CUELBO_LINE("same value")), HasSubstr("within a warp")));
}

__global__ void reduce_without_barrier(const float* x, float* y) {
  __shared__ float sums[128];
  sums[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (unsigned half = 64; half > 0; half /= 2)
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];  // reduction
  if (threadIdx.x == 0) *y = sums[0];
}
TEST_P(Races, ReductionWithoutBarrier) {
  Array<float> x(std::vector<float>(128, 1)), y(1);
  EXPECT_THAT(found(reduce_without_barrier, 1, 128, 0, x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("reduction")), HasSubstr("shared memory")));
}

__global__ void transpose_without_barrier(const float* x, float* y) {
  float* tile = dynamic_shared<float>();
  const unsigned r = threadIdx.y, c = threadIdx.x;
  tile[r * 17 + c] = 0;
  __syncthreads();
  tile[r * 17 + c] = x[r * 16 + c];  // transpose: write
  y[r * 16 + c] = tile[c * 17 + r];  // transpose: read
}
TEST_P(Races, TransposeWithoutBarrier) {
  Array<float> x(std::vector<float>(256, 1)), y(256);
  EXPECT_THAT(found(transpose_without_barrier, 1, dim3(16, 16), 16 * 17 * sizeof(float), x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("transpose: write")), HasSubstr(CUELBO_LINE("transpose: read")),
                    HasSubstr("shared memory")));
}

// Two buffers and no barrier after the last read of one: the next round but one overwrites it too early.
__global__ void double_buffer(const int* x, int* y, int rounds) {
  __shared__ int buffer[2][64];
  for (int round = 0; round < rounds; ++round) {
    if (round % 2 == 0) __syncthreads();
    buffer[round % 2][threadIdx.x] = x[round];
    if (round % 2 == 0) __syncthreads();
    y[threadIdx.x] += buffer[round % 2][63 - threadIdx.x];
  }
}
TEST_P(Races, DoubleBufferWithOneBarrierTooFew) {
  Array<int> x(std::vector<int>(8, 1)), y(std::vector<int>(64, 0));
  EXPECT_THAT(found(double_buffer, 1, 64, 0, x.data(), y.data(), 1), "nothing");
  EXPECT_THAT(found(double_buffer, 1, 64, 0, x.data(), y.data(), 4), HasSubstr("shared memory"));
}

__global__ void atomic_and_plain(int* y) {
  if (threadIdx.x % 2 == 0)
    atomicAdd(y, 1);  // atomic
  else
    *y = 0;  // plain
}
TEST_P(Races, AtomicOperationAgainstPlainWrite) {
  Array<int> y(std::vector<int>{0});
  EXPECT_THAT(found(atomic_and_plain, 1, 2, 0, y.data()),
              AllOf(HasSubstr("atomic operation"), HasSubstr(CUELBO_LINE("atomic")),
                    HasSubstr(CUELBO_LINE("plain"))));
}

// In place: a thread overwrites what its neighbour has not read yet.
__global__ void smooth_in_place(const int* x, int* y) {
  __shared__ int values[66];
  values[threadIdx.x + 1] = x[threadIdx.x];
  if (threadIdx.x == 0) values[0] = values[65] = 0;
  __syncthreads();
  const int sum = values[threadIdx.x] + values[threadIdx.x + 2];  // in place: read
  values[threadIdx.x + 1] = sum;                                  // in place: write
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x + 1];
}
TEST_P(Races, MissingBarrierBetweenReadingAndOverwriting) {
  Array<int> x(std::vector<int>(64, 1)), y(64);
  EXPECT_THAT(found(smooth_in_place, 1, 64, 0, x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("in place: read")), HasSubstr(CUELBO_LINE("in place: write")),
                    HasSubstr("; shared memory")));
}

// The last warp's steps, as they were written before Volta.
__global__ void reduction_tail(const float* x, float* y) {
  __shared__ float sums[64];
  sums[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x >= 32) return;
  for (unsigned distance = 32; distance > 0; distance /= 2)
    sums[threadIdx.x] += sums[threadIdx.x + distance];  // tail
  if (threadIdx.x == 0) *y = sums[0];
}
TEST_P(Races, ReductionTailWithoutSyncwarp) {
  Array<float> x(std::vector<float>(64, 1)), y(1);
  EXPECT_THAT(found(reduction_tail, 1, 64, 0, x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("tail")), HasSubstr("within a warp; shared memory")));
}

__global__ void syncwarp_for_a_block(int* y) {
  __shared__ int of_warp[2];
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = 0;
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = 1;
  __syncwarp();
  y[threadIdx.x] = of_warp[0] + of_warp[1];
}
TEST_P(Races, SyncwarpWhereABarrierIsNeeded) {
  Array<int> y(64);
  EXPECT_THAT(found(syncwarp_for_a_block, 1, 64, 0, y.data()), HasSubstr("between warps; shared memory"));
}

__global__ void plain_histogram(const int* x, int* counts) {
  __shared__ int bins[4];
  if (threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  ++bins[x[threadIdx.x]];  // bins
  __syncthreads();
  if (threadIdx.x < 4) counts[threadIdx.x] = bins[threadIdx.x];
}
TEST_P(Races, HistogramWithoutAtomics) {
  Array<int> x(std::vector<int>(64, 3)), counts(4);
  EXPECT_THAT(found(plain_histogram, 1, 64, 0, x.data(), counts.data()),
              AllOf(HasSubstr(CUELBO_LINE("bins")), HasSubstr("; shared memory")));
}

// Bits of one word, each of another thread's.
__global__ void set_bits(const float* x, unsigned* mask) {
  if (x[threadIdx.x] > 0) mask[threadIdx.x / 32] |= 1U << threadIdx.x % 32;  // bits
}
TEST_P(Races, BitsOfOneWordWithoutAtomics) {
  Array<float> x(std::vector<float>(64, 1));
  Array<unsigned> mask(std::vector<unsigned>(2, 0));
  EXPECT_THAT(found(set_bits, 1, 64, 0, x.data(), mask.data()),
              AllOf(HasSubstr(CUELBO_LINE("bits")), HasSubstr("within a warp; global memory")));
}

// Half a word is written while another thread writes the word.
__global__ void half_and_word(unsigned* y) {
  if (threadIdx.x == 0)
    *y = 1;  // word
  else
    reinterpret_cast<unsigned short*>(y)[1] = 2;  // half
}
TEST_P(Races, WordAgainstItsHalf) {
  Array<unsigned> y(1);
  EXPECT_THAT(found(half_and_word, 1, 2, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("word")), HasSubstr(CUELBO_LINE("half"))));
}

// Two arrays in one place, one after the other, without a barrier between their lives.
__global__ void reused_memory(const float* x, float* y) {
  auto* const first = dynamic_shared<float>();
  first[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float other = first[63 - threadIdx.x];  // reuse: read
  auto* const second = dynamic_shared<int>();
  second[threadIdx.x] = 1;  // reuse: write
  y[threadIdx.x] = other;
}
TEST_P(Races, SharedMemoryReusedWithoutBarrier) {
  Array<float> x(std::vector<float>(64, 1)), y(64);
  EXPECT_THAT(found(reused_memory, 1, 64, 64 * sizeof(float), x.data(), y.data()),
              AllOf(HasSubstr(CUELBO_LINE("reuse: read")), HasSubstr(CUELBO_LINE("reuse: write"))));
}

}  // namespace
}  // namespace cuelbo::kernels
