// Races that were planted, each told apart by what ought to have ordered the threads.
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

__global__ void neighbour_block(int* y) {
  y[blockIdx.x] = 1;                                // blocks: write
  if (blockIdx.x % 2 == 1) y[blockIdx.x - 1] += 2;  // blocks: update
}
TEST_P(Races, RaceBetweenBlocks) {
  Array<int> y(std::vector<int>(8, 0));
  EXPECT_THAT(found(neighbour_block, 8, 1, 0, y.data()),
              AllOf(HasSubstr(" block ("), HasSubstr("between blocks; global memory"),
                    HasSubstr(CUELBO_LINE("blocks: write")), HasSubstr(CUELBO_LINE("blocks: update"))));
}

__global__ void read_what_a_later_block_writes(const int* x, int* y) { y[blockIdx.x] = x[blockIdx.x + 1]; }
TEST_P(Races, WriteByOneBlockOfWhatAnotherHasRead) {
  Array<int> x(std::vector<int>(9, 1));
  EXPECT_THAT(found(read_what_a_later_block_writes, 8, 1, 0, x.data(), x.data()),
              HasSubstr("between blocks; global memory"));
}

__global__ void shift_in_place(int* y) {
  const int next = y[threadIdx.x + 1];
  y[threadIdx.x] = next;
}
TEST_P(Races, RaceOnGlobalMemoryWithinABlock) {
  Array<int> y(std::vector<int>(65, 1));
  EXPECT_THAT(found(shift_in_place, 1, 64, 0, y.data()), HasSubstr("; global memory"));
}

__global__ void plain_counter(int* count) {
  ++*count;  // counter
}
TEST_P(Races, CounterWithoutAtomics) {
  Array<int> count(std::vector<int>{0});
  EXPECT_THAT(found(plain_counter, 1, 32, 0, count.data()),
              AllOf(HasSubstr("within a warp; global memory"), HasSubstr(CUELBO_LINE("counter"))));
  EXPECT_THAT(found(plain_counter, 2, 1, 0, count.data()), HasSubstr("between blocks; global memory"));
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

__global__ void ticket_without_barrier(int* partial, unsigned* tickets, int* sum) {
  __shared__ bool last;
  partial[blockIdx.x * 64 + threadIdx.x] = 1;  // the block's other warp may not have come so far
  __threadfence();
  if (threadIdx.x == 0) last = atomicInc(tickets, gridDim.x - 1) == gridDim.x - 1;
  __syncthreads();
  if (!last || threadIdx.x > 0) return;
  int total = 0;
  for (unsigned i = 0; i < gridDim.x * 64; ++i) total += partial[i];
  *sum = total;
}
TEST_P(Races, TicketTakenBeforeTheWholeBlockHasWritten) {
  Array<int> partial(4 * 64), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  EXPECT_THAT(found(ticket_without_barrier, 4, 64, 0, partial.data(), tickets.data(), sum.data()),
              HasSubstr("between blocks; global memory"));
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

}  // namespace
}  // namespace cuelbo::kernels
