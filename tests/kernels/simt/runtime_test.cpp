// The SIMT runtime executes what CUDA promises and names what CUDA forbids.
#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels {
namespace {

using simt::ThreadOrder;
using testing::HasSubstr;

template <class T>
class Array {
 public:
  explicit Array(std::size_t size) : size_(size) {
    cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T));
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }
  void set(const std::vector<T>& values) {
    cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice);
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

class Simt : public testing::TestWithParam<ThreadOrder> {
 protected:
  Simt() {
    simt::set_order(GetParam(), 17);
    simt::set_deferred(true);
  }
  ~Simt() override {
    EXPECT_FALSE(simt::take_finding());
    simt::set_order(ThreadOrder::forward, 0);
  }
  static std::string finding() {
    const auto finding = simt::take_finding();
    return finding ? to_string(*finding) : "nothing found";
  }
};
std::string order_name(const testing::TestParamInfo<ThreadOrder>& order) {
  constexpr const char* names[] = {"forward", "reverse", "random"};
  return names[static_cast<int>(order.param)];
}
INSTANTIATE_TEST_SUITE_P(Orders, Simt,
                         testing::Values(ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::random),
                         order_name);

__global__ void write_index(unsigned* y) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  y[block * blockDim.x * blockDim.y * blockDim.z + thread] += block * 1000 + thread;
}

TEST_P(Simt, EveryThreadOfEveryBlockRunsOnce) {
  constexpr unsigned threads = 5 * 3 * 2, blocks = 7 * 2 * 3;
  Array<unsigned> y(threads * blocks);
  y.set(std::vector<unsigned>(threads * blocks, 0));
  launch(write_index, dim3(7, 2, 3), dim3(5, 3, 2), 0, {}, y.data());
  const auto host = y.host();
  for (unsigned i = 0; i < threads * blocks; ++i) EXPECT_EQ(host[i], i / threads * 1000 + i % threads);
}

// Tree reduction: every step needs its barrier.
template <bool with_barrier>
__global__ void block_sum(const float* x, float* y) {
  __shared__ float partial[128];
  partial[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  __syncthreads();
  for (unsigned half = 64; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    if (with_barrier) __syncthreads();
  }
  if (threadIdx.x == 0) y[blockIdx.x] = partial[0];
}

TEST_P(Simt, BarriersOrderSharedMemory) {
  std::vector<float> x(9 * 128);
  std::iota(x.begin(), x.end(), 0.0F);
  Array<float> in(x.size()), out(9);
  in.set(x);
  launch(block_sum<true>, 9, 128, 0, {}, in.data(), out.data());
  const auto y = out.host();
  for (int b = 0; b < 9; ++b)
    EXPECT_EQ(y[b], std::accumulate(x.begin() + b * 128, x.begin() + (b + 1) * 128, 0.0F));
}

TEST(SimtOrder, AMissingBarrierShowsInOneOfTheOrders) {
  std::vector<float> x(128);
  std::iota(x.begin(), x.end(), 0.0F);
  Array<float> in(128), out(1);
  in.set(x);
  int wrong = 0;
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::random}) {
    simt::set_order(order, 3);
    launch(block_sum<false>, 1, 128, 0, {}, in.data(), out.data());
    wrong += out.host()[0] != 127.0F * 64;
  }
  simt::set_order(ThreadOrder::forward, 0);
  EXPECT_GT(wrong, 0);
}

// Each thread gets the sum over the block, twice: the second sum must not overwrite what others still read of the first.
template <bool with_barrier>
__global__ void two_sums(int* y) {
  __shared__ int of_warp[4];
  int sum = 1;
  for (int round = 0; round < 2; ++round) {
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0U, sum, distance);
    if (with_barrier) __syncthreads();
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = of_warp[0] + of_warp[1] + of_warp[2] + of_warp[3];
  }
  y[threadIdx.x] = sum;
}

TEST(SimtOrder, AMissingSecondBarrierShowsInOneOfTheOrders) {
  Array<int> y(128);
  int wrong = 0;
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::random}) {
    simt::set_order(order, 3);
    launch(two_sums<true>, 1, 128, 0, {}, y.data());
    EXPECT_THAT(y.host(), testing::Each(128 * 128));
    launch(two_sums<false>, 1, 128, 0, {}, y.data());
    const auto host = y.host();
    wrong += std::ranges::any_of(host, [](int sum) { return sum != 128 * 128; });
  }
  simt::set_order(ThreadOrder::forward, 0);
  EXPECT_GT(wrong, 0);
}

__global__ void shuffles(int* y) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const unsigned all = ~0U;
  int* const out = y + threadIdx.x * 8;
  out[0] = __shfl_sync(all, lane, 5);
  out[1] = __shfl_up_sync(all, lane, 3);
  out[2] = __shfl_down_sync(all, lane, 3);
  out[3] = __shfl_xor_sync(all, lane, 9);
  out[4] = __shfl_down_sync(all, lane, 4, 8);
  out[5] = static_cast<int>(__ballot_sync(all, lane % 3 == 0));
  out[6] = __any_sync(all, lane == 31) + 2 * __all_sync(all, lane < 31) + 4 * __all_sync(all, lane < 32);
  out[7] = static_cast<int>(__reduce_add_sync(all, static_cast<unsigned>(lane)));
}

TEST_P(Simt, ShufflesAndVotes) {
  Array<int> y(64 * 8);
  launch(shuffles, 1, 64, 0, {}, y.data());
  const auto host = y.host();
  for (int t = 0; t < 64; ++t) {
    const int lane = t % 32;
    EXPECT_THAT(std::vector<int>(host.begin() + t * 8, host.begin() + (t + 1) * 8),
                testing::ElementsAre(5, lane < 3 ? lane : lane - 3, lane > 28 ? lane : lane + 3, lane ^ 9,
                                     lane % 8 > 3 ? lane : lane + 4, 0x49249249, 5, 496));
  }
}

// Both halves of a warp, each with its mask, at different places in the code.
__global__ void half_warps(int* y) {
  const int lane = static_cast<int>(threadIdx.x);
  if (lane < 16) {
    y[lane] = __shfl_xor_sync(0x0000ffffU, lane, 1);
  } else {
    y[lane] = __shfl_xor_sync(0xffff0000U, lane, 2);
  }
}

TEST_P(Simt, HalfWarpsMeetOnTheirOwn) {
  Array<int> y(32);
  launch(half_warps, 1, 32, 0, {}, y.data());
  const auto host = y.host();
  for (int lane = 0; lane < 32; ++lane) EXPECT_EQ(host[lane], lane < 16 ? lane ^ 1 : lane ^ 2);
}

// Some lanes in a branch, the others behind it already.
__global__ void active_in_a_branch(unsigned* y) {
  y[threadIdx.x] = __activemask();
  if (threadIdx.x % 3 == 0) y[threadIdx.x] = __activemask();
  __syncwarp();
}

TEST_P(Simt, TheActiveMaskHasTheLanesThatAreTogether) {
  Array<unsigned> y(40);
  launch(active_in_a_branch, 1, 40, 0, {}, y.data());
  const auto host = y.host();
  constexpr unsigned of_three = 0x49249249U;
  for (unsigned t = 0; t < 32; ++t) EXPECT_EQ(host[t], t % 3 == 0 ? of_three : ~0U);
  for (unsigned t = 32; t < 40; ++t) EXPECT_EQ(host[t], t % 3 == 0 ? of_three << 1 & 0xffU : 0xffU);
}

__global__ void early_exit_then_vote(unsigned* y) {
  if (threadIdx.x >= 20) return;
  y[threadIdx.x] = __ballot_sync(~0U, 1);
}

TEST_P(Simt, AnExitedLaneCountsAsArrived) {
  Array<unsigned> y(20);
  launch(early_exit_then_vote, 1, 32, 0, {}, y.data());
  EXPECT_THAT(y.host(), testing::Each(0xfffffU));
}

__global__ void read_unwritten(float* fixed, float* dynamic) {
  __shared__ float tile[4];
  fixed[threadIdx.x] = tile[threadIdx.x];
  dynamic[threadIdx.x] = dynamic_shared<float>()[threadIdx.x];
  tile[threadIdx.x] = dynamic_shared<float>()[threadIdx.x] = 1;
}

TEST_P(Simt, SharedMemoryBeginsAsNaN) {
  Array<float> fixed(4), dynamic(4);
  for (int again = 0; again < 2; ++again) {
    launch(read_unwritten, 1, 4, 16, {}, fixed.data(), dynamic.data());
    const auto is_poison = simt::one_worker ? testing::Matcher<float>(testing::_) : testing::IsNan();
    EXPECT_THAT(fixed.host(), testing::Each(is_poison));
    EXPECT_THAT(dynamic.host(), testing::Each(testing::IsNan()));
  }
}

__global__ void count_blocks(unsigned* counter, float* sum, unsigned* last) {
  if (threadIdx.x == 0) {
    atomicAdd(sum, 0.5F);
    if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) *last = *last + 1;
  }
}

TEST_P(Simt, AtomicsCountAcrossBlocks) {
  Array<unsigned> counter(1), last(1);
  Array<float> sum(1);
  counter.set({0});
  last.set({0});
  sum.set({0});
  launch(count_blocks, 1000, 3, 0, {}, counter.data(), sum.data(), last.data());
  EXPECT_EQ(sum.host()[0], 500);
  EXPECT_EQ(last.host()[0], 1U);
  EXPECT_EQ(counter.host()[0], 0U);
}

// ---- what no kernel may do

__global__ void divergent_barriers() {
  if (threadIdx.x < 16) {
    __syncthreads();
    return;
  }
  __syncthreads();
}
__global__ void exit_before_barrier() {
  if (threadIdx.x == 40) return;
  __syncthreads();
}
__global__ void missing_lane(int* y) {
  if (threadIdx.x != 7) y[threadIdx.x] = __shfl_sync(~0U, 1, 0);
  __syncthreads();
}
__global__ void shuffle_from_exited(int* y) {
  if (threadIdx.x == 3) return;
  y[threadIdx.x] = __shfl_sync(~0U, 1, 3);
}
__global__ void wrong_mask(int* y) { y[threadIdx.x] = __shfl_sync(1U, 1, 0); }
__global__ void mixed_shuffles(int* y) {
  y[threadIdx.x] = threadIdx.x < 4 ? __shfl_up_sync(~0U, 1, 1) : __shfl_down_sync(~0U, 1, 1);
}

TEST_P(Simt, NamesWhatIsForbidden) {
  Array<int> y(64);
  launch(divergent_barriers, 1, 32, 0, {});
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_THAT(finding(), testing::AllOf(HasSubstr("runtime_test.cpp:"), HasSubstr("barrier divergence")));
  launch(exit_before_barrier, 2, 64, 0, {});
  EXPECT_THAT(finding(), HasSubstr("block (0, 0, 0), thread (40, 0, 0): this thread has exited"));
  launch(missing_lane, 1, 64, 0, {}, y.data());
  EXPECT_THAT(finding(),
              HasSubstr("a warp operation waits for lanes of its mask that never make it; thread (7, 0, 0)"));
  launch(shuffle_from_exited, 1, 32, 0, {}, y.data());
  EXPECT_THAT(finding(), HasSubstr("a shuffle from a lane that has exited"));
  launch(wrong_mask, 1, 32, 0, {}, y.data());
  EXPECT_THAT(finding(), HasSubstr("mask leaves out the lane that makes it"));
  launch(mixed_shuffles, 1, 32, 0, {}, y.data());
  EXPECT_THAT(finding(), HasSubstr("never make it"));
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(SimtLaunch, RefusesWhatAGpuRefuses) {
  launch(divergent_barriers, 1, 1025, 0, {});
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  launch(divergent_barriers, dim3(1, 65536), 32, 0, {});
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  launch(divergent_barriers, 0, 32, 0, {});
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  launch(divergent_barriers, 1, 32, std::size_t{228} << 10, {});
  EXPECT_NE(cudaGetLastError(), cudaSuccess);
}

TEST(SimtLaunch, ErrorsBelongToTheThreadThatMadeThem) {
  launch(divergent_barriers, 0, 32, 0, {});
  std::thread([] { EXPECT_EQ(cudaGetLastError(), cudaSuccess); }).join();
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

// ---- streams

__global__ void add_one(float* x) { x[threadIdx.x] += 1; }
__global__ void times_ten(float* x) { x[threadIdx.x] *= 10; }

struct TwoStreams {
  TwoStreams() {
    cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  }
  ~TwoStreams() {
    cudaEventDestroy(event);
    cudaStreamDestroy(a);
    cudaStreamDestroy(b);
  }
  cudaStream_t a = nullptr, b = nullptr;
  cudaEvent_t event = nullptr;
};

// x = 1 → 2 → 20 if the second stream waits for the first.
float run_two_streams(bool with_wait) {
  const TwoStreams streams;
  Array<float> x(1);
  x.set({1});
  launch(add_one, 1, 1, 0, {streams.a}, x.data());
  cudaEventRecord(streams.event, streams.a);
  if (with_wait) cudaStreamWaitEvent(streams.b, streams.event, 0);
  launch(times_ten, 1, 1, 0, {streams.b}, x.data());
  cudaDeviceSynchronize();
  return x.host()[0];
}

TEST_P(Simt, AnEventOrdersStreams) { EXPECT_EQ(run_two_streams(true), 20); }

TEST(SimtStreams, AMissingWaitShowsInOneOfTheOrders) {
  int wrong = 0;
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse}) {
    simt::set_order(order, 0);
    wrong += run_two_streams(false) != 20;
  }
  simt::set_order(ThreadOrder::forward, 0);
  EXPECT_GT(wrong, 0);
}

TEST_P(Simt, WorkIsDeferredUntilSomethingWaits) {
  const TwoStreams streams;
  float* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(reinterpret_cast<void**>(&pinned), sizeof(float)), cudaSuccess);
  Array<float> x(1);
  x.set({1});
  *pinned = 0;
  launch(add_one, 1, 1, 0, {streams.a}, x.data());
  cudaMemcpyAsync(pinned, x.data(), sizeof(float), cudaMemcpyDeviceToHost, streams.a);
  EXPECT_EQ(*pinned, 0);
  EXPECT_EQ(cudaStreamSynchronize(streams.a), cudaSuccess);
  EXPECT_EQ(*pinned, 2);
  cudaFreeHost(pinned);
}

TEST_P(Simt, AGraphReplaysWhatWasCaptured) {
  const TwoStreams streams;
  Array<float> x(1), other(1);
  x.set({1});
  other.set({5});
  const auto capture = [&](auto&& work) {
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamBeginCapture(streams.a, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    work();
    EXPECT_EQ(cudaStreamEndCapture(streams.a, &graph), cudaSuccess);
    return graph;
  };
  const auto on = [&](float* data) {
    return [&streams, data] {
      launch(add_one, 1, 1, 0, {streams.a}, data);
      launch(times_ten, 1, 1, 0, {streams.a}, data);
    };
  };
  cudaGraph_t graph = capture(on(x.data()));
  EXPECT_EQ(x.host()[0], 1);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(cudaGraphLaunch(executable, streams.a), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(streams.a), cudaSuccess);
  EXPECT_EQ(x.host()[0], 210);

  cudaGraph_t moved = capture(on(other.data()));
  cudaGraph_t shorter = capture([&] { launch(times_ten, 1, 1, 0, {streams.a}, x.data()); });
  cudaGraphExecUpdateResultInfo result{};
  EXPECT_EQ(cudaGraphExecUpdate(executable, shorter, &result), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(result.result, cudaGraphExecUpdateErrorTopologyChanged);
  cudaGraph_t other_nodes = capture([&] {
    launch(add_one, 1, 1, 0, {streams.a}, x.data());
    cudaMemsetAsync(x.data(), 0, sizeof(float), streams.a);
  });
  EXPECT_EQ(cudaGraphExecUpdate(executable, other_nodes, &result), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(result.result, cudaGraphExecUpdateErrorNodeTypeChanged);
  EXPECT_EQ(cudaGetLastError(), cudaErrorGraphExecUpdateFailure);
  // Launches before the update run unchanged.
  cudaGraphLaunch(executable, streams.a);
  EXPECT_EQ(cudaGraphExecUpdate(executable, moved, &result), cudaSuccess);
  cudaGraphLaunch(executable, streams.a);
  cudaStreamSynchronize(streams.a);
  EXPECT_EQ(other.host()[0], 60);
  EXPECT_EQ(x.host()[0], 2110);
  for (cudaGraph_t g : {graph, moved, shorter, other_nodes}) cudaGraphDestroy(g);
  cudaGraphExecDestroy(executable);
}

}  // namespace
}  // namespace cuelbo::kernels
