// 24 correct kernels of the kind that a careless checker complains of.
#include <atomic>
#include <numeric>

#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::Each;
using testing::ElementsAre;

class CorrectKernels : public Checked {};
CUELBO_IN_ALL_ORDERS(CorrectKernels);

std::vector<int> ones(std::size_t n) { return std::vector<int>(n, 1); }

__global__ void halves_of_a_warp(int* y) {
  __shared__ int values[32];
  const unsigned half = threadIdx.x < 16 ? 0x0000ffffU : 0xffff0000U;
  for (int round = 0; round < 3; ++round) {
    values[threadIdx.x] = round;
    __syncwarp(half);
    y[threadIdx.x] = values[threadIdx.x ^ 15U];
    __syncwarp(half);
  }
}
TEST_P(CorrectKernels, HalvesOfAWarpMeetApart) {
  Array<int> y(32);
  EXPECT_EQ(found(halves_of_a_warp, 1, 32, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(2));
}

// Lane 2 sees the write of lane 0 through lane 1.
__global__ void chain_of_lanes(int* y) {
  __shared__ int value;
  if (threadIdx.x == 0) value = 7;
  if (threadIdx.x <= 1) __syncwarp(0b011);
  if (threadIdx.x >= 1) __syncwarp(0b110);
  if (threadIdx.x == 2) *y = value;
}
TEST_P(CorrectKernels, OrderIsTransitive) {
  Array<int> y(1);
  EXPECT_EQ(found(chain_of_lanes, 1, 3, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(7));
}

__global__ void neighbours_in_a_word(unsigned short* y) {
  __shared__ unsigned short halves[64];
  __shared__ unsigned char bytes[64];
  halves[threadIdx.x] = 1;
  bytes[threadIdx.x] = 2;
  __syncthreads();
  y[threadIdx.x] = static_cast<unsigned short>(halves[threadIdx.x ^ 1U] + bytes[threadIdx.x ^ 3U]);
}
TEST_P(CorrectKernels, NeighboursInOneWordByDifferentThreads) {
  Array<unsigned short> y(64);
  EXPECT_EQ(found(neighbours_in_a_word, 1, 64, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(3));
}

__global__ void histogram(const int* x, int n, unsigned* counts) {
  __shared__ unsigned bins[8];
  if (threadIdx.x < 8) bins[threadIdx.x] = 0;
  __syncthreads();
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x * blockDim.x))
    atomicAdd(&bins[x[i] % 8], 1U);
  __syncthreads();
  if (threadIdx.x < 8) atomicAdd(&counts[threadIdx.x], bins[threadIdx.x]);
}
TEST_P(CorrectKernels, HistogramWithSharedAtomics) {
  std::vector<int> values(800);
  std::iota(values.begin(), values.end(), 0);
  Array<int> x(values);
  Array<unsigned> counts(std::vector<unsigned>(8, 0));
  EXPECT_EQ(found(histogram, 3, 64, 0, x.data(), 800, counts.data()), "nothing");
  EXPECT_THAT(counts.host(), Each(100U));
}

// The block that takes the last ticket adds what all the others have left.
__global__ void last_block_sum(const int* x, int* partial, unsigned* tickets, int* sum) {
  __shared__ int of_warp[2];
  __shared__ bool last;
  int value = x[blockIdx.x * 64 + threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0U, value, distance);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = of_warp[0] + of_warp[1];
    __threadfence();
    last = atomicInc(tickets, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x >= 32) return;
  int total = threadIdx.x < gridDim.x ? partial[threadIdx.x] : 0;
  for (int distance = 16; distance > 0; distance /= 2) total += __shfl_xor_sync(~0U, total, distance);
  if (threadIdx.x == 0) *sum = total;
}
TEST_P(CorrectKernels, LastBlockReadsWhatTheOthersWrote) {
  Array<int> x(ones(7 * 64)), partial(7), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(found(last_block_sum, 7, 64, 0, x.data(), partial.data(), tickets.data(), sum.data()),
              "nothing");
  EXPECT_THAT(sum.host(), Each(7 * 64));
}

// Every thread takes a ticket of its own; the last one reads what all threads wrote.
__global__ void last_thread_sum(int* partial, unsigned* tickets, int* sum) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
  partial[i] = 1;
  __threadfence();
  if (atomicAdd(tickets, 1U) != n - 1) return;
  int total = 0;
  for (unsigned k = 0; k < n; ++k) total += partial[k];
  *sum = total;
}
TEST_P(CorrectKernels, LastThreadReadsWhatTheOthersWrote) {
  Array<int> partial(96), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  EXPECT_EQ(found(last_thread_sum, 2, 48, 0, partial.data(), tickets.data(), sum.data()), "nothing");
  EXPECT_THAT(sum.host(), Each(96));
}

// One atomic for the lanes of a warp that pass the filter.
__global__ void compact(const int* x, int* y, int* count) {
  const unsigned lane = threadIdx.x % 32;
  const int value = x[threadIdx.x];
  const unsigned passed = __ballot_sync(~0U, static_cast<int>(value % 3 == 0));
  if (value % 3 != 0) return;
  const int leader = __ffs(static_cast<int>(passed)) - 1;
  int first = 0;
  if (static_cast<int>(lane) == leader) first = atomicAdd(count, __popc(passed));
  first = __shfl_sync(passed, first, leader);
  y[first + __popc(passed & ((1U << lane) - 1))] = value;
}
TEST_P(CorrectKernels, WarpAggregatedAtomics) {
  std::vector<int> values(96);
  std::iota(values.begin(), values.end(), 0);
  Array<int> x(values), y(std::vector<int>(32, -1)), count(std::vector<int>{0});
  EXPECT_EQ(found(compact, 1, 96, 0, x.data(), y.data(), count.data()), "nothing");
  EXPECT_THAT(count.host(), ElementsAre(32));
  EXPECT_THAT(y.host(), testing::Not(testing::Contains(-1)));
}

__global__ void double_buffer(const int* x, int* y, int rounds) {
  __shared__ int buffer[2][64];
  buffer[0][threadIdx.x] = x[0];
  int sum = 0;
  for (int round = 0; round < rounds; ++round) {
    __syncthreads();
    if (round + 1 < rounds) buffer[(round + 1) % 2][threadIdx.x] = x[round + 1];
    sum += buffer[round % 2][63 - threadIdx.x];
  }
  y[threadIdx.x] = sum;
}
TEST_P(CorrectKernels, DoubleBufferWithOneBarrierARound) {
  Array<int> x(ones(9)), y(64);
  EXPECT_EQ(found(double_buffer, 1, 64, 0, x.data(), y.data(), 9), "nothing");
  EXPECT_THAT(y.host(), Each(9));
}

// All threads read one word, and its writer changes it after a barrier only.
__global__ void broadcast(const int* x, int* y) {
  __shared__ int value;
  int sum = 0;
  for (int round = 0; round < 4; ++round) {
    if (threadIdx.x == static_cast<unsigned>(round) * 33) value = x[0] * x[round];
    __syncthreads();
    sum += value;
    __syncthreads();
  }
  y[threadIdx.x] = sum;
}
TEST_P(CorrectKernels, BroadcastReads) {
  Array<int> x(ones(4)), y(128);
  EXPECT_EQ(found(broadcast, 1, 128, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(4));
}

__global__ void scale_in_place(float4* x, int n) {
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x * blockDim.x)) {
    float4 v = x[i];
    v.x *= 2;
    v.w *= 2;
    x[i] = v;
  }
}
TEST_P(CorrectKernels, GridStrideLoopInPlaceLaunchAfterLaunch) {
  Array<float> x(std::vector<float>(4 * 700, 1));
  auto* const vectors = reinterpret_cast<float4*>(x.data());
  launch(scale_in_place, 5, 33, 0, {}, vectors, 700);
  EXPECT_EQ(found(scale_in_place, 3, 64, 0, vectors, 700), "nothing");
  EXPECT_EQ(x.host()[0], 4);
}

__global__ void early_exit(const int* x, int* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  const unsigned here = __ballot_sync(__activemask(), 1);
  int sum = x[i];
  for (int distance = 16; distance > 0; distance /= 2) {
    const int other = static_cast<int>(threadIdx.x % 32) ^ distance;
    const int from = (here >> other & 1) != 0 ? other : static_cast<int>(threadIdx.x % 32);
    const int value = __shfl_sync(here, sum, from);
    sum = from == other ? sum + value : sum;
  }
  y[i] = sum;
}
TEST_P(CorrectKernels, EarlyExit) {
  Array<int> x(ones(64)), y(64);
  EXPECT_EQ(found(early_exit, 1, 128, 0, x.data(), y.data(), 64), "nothing");
  EXPECT_THAT(y.host(), Each(32));
}

// Warps scan by shuffles, the first warp scans their sums.
__global__ void scan(const int* x, int* y) {
  __shared__ int of_warp[32];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const auto scan_warp = [&](int value) {
    for (int distance = 1; distance < 32; distance *= 2) {
      const int before = __shfl_up_sync(~0U, value, static_cast<unsigned>(distance));
      if (lane >= distance) value += before;
    }
    return value;
  };
  const int value = scan_warp(x[threadIdx.x]);
  if (lane == 31) of_warp[warp] = value;
  __syncthreads();
  if (warp == 0) of_warp[lane] = scan_warp(lane < 4 ? of_warp[lane] : 0);
  __syncthreads();
  y[threadIdx.x] = value + (warp > 0 ? of_warp[warp - 1] : 0);
}
TEST_P(CorrectKernels, BlockWideScan) {
  Array<int> x(ones(128)), y(128);
  EXPECT_EQ(found(scan, 1, 128, 0, x.data(), y.data()), "nothing");
  std::vector<int> expected(128);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(y.host(), expected);
}

// One lane writes for its warp, shuffles order it.
__global__ void shuffle_orders(int* y) {
  __shared__ int values[64];
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  int sum = 1;
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_down_sync(~0U, sum, distance);
  if (threadIdx.x % 32 == 0) values[threadIdx.x + 31] = sum;
  sum = __shfl_sync(~0U, sum, 0);
  y[threadIdx.x] = values[threadIdx.x | 31U] + sum;
}
TEST_P(CorrectKernels, WarpShufflesOrder) {
  Array<int> y(64);
  EXPECT_EQ(found(shuffle_orders, 1, 64, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(64));
}

// Three stages of copies, two of them under way while one is read.
__global__ void pipeline(const float* x, float* y, int tiles) {
  __shared__ __align__(16) float stage[3][256];
  const auto start = [&](int tile) {
    if (tile < tiles)
      ptx::cp_async_16(&stage[tile % 3][4 * threadIdx.x], x + tile * 256 + 4 * static_cast<int>(threadIdx.x));
    ptx::cp_async_commit();
  };
  start(0);
  start(1);
  float sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    ptx::cp_async_wait<1>();
    __syncthreads();
    start(tile + 2);
    sum += stage[tile % 3][255 - 4 * threadIdx.x];
  }
  y[threadIdx.x] = sum;
}
TEST_P(CorrectKernels, PipelineOfAsynchronousCopies) {
  Array<float> x(std::vector<float>(256 * 7, 1)), y(64);
  EXPECT_EQ(found(pipeline, 1, 64, 0, x.data(), y.data(), 7), "nothing");
  EXPECT_THAT(y.host(), Each(7.0F));
}

// A struct of 16 bytes that a function returns goes straight to shared memory.
struct Four {
  float v[4];
};
__device__ [[gnu::noinline]] Four load_four(const float* x) { return {{x[0], x[1], x[2], x[3]}}; }
__global__ void returned_aggregate(const float* x, float* y) {
  __shared__ Four values[32];
  values[threadIdx.x] = load_four(x + 4 * threadIdx.x);
  __syncwarp();
  y[threadIdx.x] = values[31 - threadIdx.x].v[3];
}
TEST_P(CorrectKernels, ResultsThatGoStraightToMemory) {
  Array<float> x(std::vector<float>(128, 1)), y(32);
  EXPECT_EQ(found(returned_aggregate, 1, 32, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(1.0F));
}

// A class with a constructor, which does nothing when it is called without arguments: g++ guards its initialisation.
struct Half {
  Half() = default;
  explicit Half(int x) : bits(static_cast<unsigned short>(x)) {}
  unsigned short bits;
};
__global__ void array_of_class_type(int* y) {
  __shared__ Half values[64];
  values[threadIdx.x] = Half(3);
  __syncthreads();
  y[threadIdx.x] = values[63 - threadIdx.x].bits;
}
TEST_P(CorrectKernels, SharedArrayOfClassType) {
  Array<int> y(64);
  EXPECT_EQ(found(array_of_class_type, 1, 64, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(3));
}

__constant__ int table[4] = {1, 2, 3, 4};
__device__ int of_all;
__global__ void constants_and_variables(int* y) {
  int local[4];
  for (int i = 0; i < 4; ++i) local[(i + static_cast<int>(threadIdx.x)) % 4] = table[i];
  if (threadIdx.x == 0) of_all = local[0] + local[1] + local[2] + local[3];
  __syncthreads();
  y[threadIdx.x] = of_all;
}
TEST_P(CorrectKernels, ConstantsDeviceVariablesAndLocalArrays) {
  Array<int> y(64);
  EXPECT_EQ(found(constants_and_variables, 1, 64, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(10));
}

// The same where lanes have parted: those that are together take part.
__global__ void compact_in_a_branch(const int* x, int* y, int* count) {
  const int value = x[threadIdx.x];
  if (value % 3 != 0) return;
  if (value % 2 == 0) {
    const unsigned here = __activemask(), lane = threadIdx.x % 32;
    const int leader = __ffs(static_cast<int>(here)) - 1;
    int first = 0;
    if (static_cast<int>(lane) == leader) first = atomicAdd(count, __popc(here));
    first = __shfl_sync(here, first, leader);
    y[first + __popc(here & ((1U << lane) - 1))] = value;
  }
}
TEST_P(CorrectKernels, WarpAggregatedAtomicsInABranch) {
  std::vector<int> values(96);
  std::iota(values.begin(), values.end(), 0);
  Array<int> x(values), y(std::vector<int>(16, -1)), count(std::vector<int>{0});
  EXPECT_EQ(found(compact_in_a_branch, 1, 96, 0, x.data(), y.data(), count.data()), "nothing");
  EXPECT_THAT(count.host(), ElementsAre(16));
  EXPECT_THAT(y.host(), testing::Not(testing::Contains(-1)));
}

__global__ void reduce_with_tail(const float* x, float* y) {
  __shared__ float sums[128];
  const unsigned i = threadIdx.x;
  sums[i] = x[i];
  __syncthreads();
  if (i < 64) sums[i] += sums[i + 64];
  __syncthreads();
  if (i >= 32) return;
  sums[i] += sums[i + 32];
  for (unsigned distance = 16; distance > 0; distance /= 2) {
    __syncwarp();
    const float other = sums[i + distance];
    __syncwarp();
    sums[i] += other;
  }
  if (i == 0) *y = sums[0];
}
TEST_P(CorrectKernels, ReductionTailWithSyncwarps) {
  Array<float> x(std::vector<float>(128, 1)), y(1);
  EXPECT_EQ(found(reduce_with_tail, 1, 128, 0, x.data(), y.data()), "nothing");
  EXPECT_THAT(y.host(), ElementsAre(128.0F));
}

// Every thread publishes what it wrote, and one takes the ticket for all.
__global__ void fences_then_barrier(int* partial, unsigned* tickets, int* sum) {
  partial[blockIdx.x * blockDim.x + threadIdx.x] = 1;
  __threadfence();
  __syncthreads();
  if (threadIdx.x > 0 || atomicAdd(tickets, 1U) != gridDim.x - 1) return;
  int total = 0;
  for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) total += partial[i];
  *sum = total;
}
TEST_P(CorrectKernels, FencesOfAllThreadsAndATicketOfOne) {
  Array<int> partial(4 * 64), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  EXPECT_EQ(found(fences_then_barrier, 4, 64, 0, partial.data(), tickets.data(), sum.data()), "nothing");
  EXPECT_THAT(sum.host(), ElementsAre(256));
}

// The order is said at the atomic, in place of fences.
__global__ void releasing_ticket(int* partial, unsigned* tickets, int* sum) {
  partial[blockIdx.x] = 1;
  if (std::atomic_ref(*tickets).fetch_add(1, std::memory_order_acq_rel) != gridDim.x - 1) return;
  int total = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) total += partial[i];
  *sum = total;
}
TEST_P(CorrectKernels, AtomicsThatRelease) {
  Array<int> partial(5), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  EXPECT_EQ(found(releasing_ticket, 5, 1, 0, partial.data(), tickets.data(), sum.data()), "nothing");
  EXPECT_THAT(sum.host(), ElementsAre(5));
}

// Atomics of one block order its threads without a fence.
__global__ void last_thread_of_the_block(int* y) {
  __shared__ int values[64], arrived;
  if (threadIdx.x == 0) arrived = 0;
  __syncthreads();
  values[threadIdx.x] = 1;
  if (atomicAdd(&arrived, 1) != 63) return;
  int total = 0;
  for (const int value : values) total += value;
  y[blockIdx.x] = total;
}
TEST_P(CorrectKernels, AtomicsOrderWithinABlock) {
  Array<int> y(2);
  EXPECT_EQ(found(last_thread_of_the_block, 2, 64, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(64));
}

// Arrays side by side, each used to its last byte by accesses of several sizes.
__global__ void to_the_last_byte(float* y) {
  __shared__ __align__(16) float fours[128];
  __shared__ unsigned char bytes[33], more[3];
  __shared__ double eights[32];
  reinterpret_cast<float4*>(fours)[threadIdx.x] = float4{1, 1, 1, 1};
  bytes[threadIdx.x + 1] = 1;
  if (threadIdx.x < 3) more[threadIdx.x] = 1;
  eights[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = fours[127 - threadIdx.x] +
                   static_cast<float>(bytes[32 - threadIdx.x] + more[threadIdx.x % 3]) +
                   static_cast<float>(eights[31 - threadIdx.x]);
}
TEST_P(CorrectKernels, SharedArraysUsedToTheirEnds) {
  Array<float> y(32);
  EXPECT_EQ(found(to_the_last_byte, 1, 32, 0, y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(4.0F));
}

// One memory for two arrays, one after the other.
__global__ void reused_memory(const float* x, int* y) {
  auto* const first = dynamic_shared<float>();
  first[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float other = first[63 - threadIdx.x];
  __syncthreads();
  auto* const second = dynamic_shared<short>();
  second[threadIdx.x] = static_cast<short>(other);
  __syncthreads();
  y[threadIdx.x] = second[threadIdx.x ^ 32U];
}
TEST_P(CorrectKernels, SharedMemoryReusedForAnotherType) {
  Array<float> x(std::vector<float>(64, 5));
  Array<int> y(64);
  EXPECT_EQ(found(reused_memory, 1, 64, 64 * sizeof(float), x.data(), y.data()), "nothing");
  EXPECT_THAT(y.host(), Each(5));
}

}  // namespace
}  // namespace cuelbo::kernels
