// 12 planted mistakes at barriers and warp operations.
#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Meetings : public Checked {};
CUELBO_IN_ALL_ORDERS(Meetings);

__global__ void barrier_in_a_branch() {
  if (threadIdx.x < 32)  // NOLINT(bugprone-branch-clone): two barriers, that is the mistake
    __syncthreads();     // then
  else
    __syncthreads();  // else
}
TEST_P(Meetings, BarrierInADivergentBranch) {
  EXPECT_THAT(
      found(barrier_in_a_branch, 1, 64, 0),
      AllOf(HasSubstr("barrier divergence"), HasSubstr(CUELBO_LINE("then")), HasSubstr(CUELBO_LINE("else"))));
}

__global__ void barrier_behind_a_guard(int* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= n) return;
  y[i] = 1;
  __syncthreads();  // behind the guard
}
TEST_P(Meetings, BarrierThatSomeThreadsHaveLeftBefore) {
  Array<int> y(64);
  EXPECT_EQ(found(barrier_behind_a_guard, 1, 64, 0, y.data(), 64), "nothing");
  EXPECT_THAT(found(barrier_behind_a_guard, 1, 64, 0, y.data(), 63),
              AllOf(HasSubstr(CUELBO_LINE("behind the guard") + ": block (0, 0, 0), thread (63, 0, 0)"),
                    HasSubstr("has exited and does not reach the barrier")));
}

__global__ void barrier_in_a_loop() {
  for (unsigned i = 0; i <= threadIdx.x / 32; ++i) __syncthreads();  // barrier in a loop
}
TEST_P(Meetings, BarrierInALoopOfUnequalTrips) {
  EXPECT_THAT(found(barrier_in_a_loop, 1, 64, 0),
              AllOf(HasSubstr(CUELBO_LINE("barrier in a loop")), HasSubstr("does not reach the barrier")));
}

__global__ void barrier_for_a_shuffle(int* y) {
  if (threadIdx.x == 5)
    __syncthreads();  // barrier
  else
    y[threadIdx.x] = __shfl_sync(~0U, 1, 0);  // shuffle
}
TEST_P(Meetings, BarrierThatOthersReachAShuffleInsteadOf) {
  Array<int> y(32);
  EXPECT_THAT(found(barrier_for_a_shuffle, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("shuffle")), HasSubstr("lanes of its mask that never make it"),
                    HasSubstr("thread (5, 0, 0) waits at the barrier"), HasSubstr(CUELBO_LINE("barrier"))));
}

__global__ void full_mask_in_a_branch(int* y) {
  int value = static_cast<int>(threadIdx.x);
  if (threadIdx.x < 16) value += __shfl_down_sync(~0U, value, 8);  // full mask
  __syncthreads();
  y[threadIdx.x] = value;
}
TEST_P(Meetings, FullMaskInABranch) {
  Array<int> y(32);
  EXPECT_THAT(found(full_mask_in_a_branch, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("full mask")), HasSubstr("lanes of its mask that never make it")));
}

__global__ void mask_of_half(int* y) {
  y[threadIdx.x] = __shfl_xor_sync(0xffffU, static_cast<int>(threadIdx.x), 1);  // half
}
TEST_P(Meetings, MaskThatLeavesOutLanesThatTakePart) {
  Array<int> y(32);
  EXPECT_THAT(
      found(mask_of_half, 1, 32, 0, y.data()),
      AllOf(HasSubstr(CUELBO_LINE("half")), HasSubstr("whose mask leaves out the lane that makes it")));
}

__global__ void shuffle_across(int* y) {
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffU, 1, 16);  // across
}
TEST_P(Meetings, ShuffleFromALaneOutsideOfTheMask) {
  Array<int> y(32);
  EXPECT_THAT(found(shuffle_across, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("across")), HasSubstr("that its mask leaves out")));
}

__global__ void shuffle_from_exited(int* y, int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  y[threadIdx.x] = __shfl_down_sync(~0U, 1, 1);  // exited
}
TEST_P(Meetings, ShuffleFromALaneThatHasExited) {
  Array<int> y(32);
  EXPECT_EQ(found(shuffle_from_exited, 1, 32, 0, y.data(), 32), "nothing");
  EXPECT_THAT(found(shuffle_from_exited, 1, 32, 0, y.data(), 20),
              AllOf(HasSubstr(CUELBO_LINE("exited")), HasSubstr("thread (19, 0, 0): a shuffle from a lane")));
}

// A block that is not a whole number of warps: lanes that do not exist.
TEST_P(Meetings, ShuffleFromALaneThatTheBlockDoesNotHave) {
  Array<int> y(64);
  EXPECT_THAT(found(shuffle_from_exited, 1, 48, 0, y.data(), 64),
              AllOf(HasSubstr(CUELBO_LINE("exited")), HasSubstr("thread (47, 0, 0): a shuffle from a lane")));
}

__global__ void shuffle_in_a_loop(int* y) {
  int sum = 0;
  for (unsigned i = 0; i <= threadIdx.x % 2; ++i) sum += __shfl_xor_sync(~0U, 1, 2);  // shuffle in a loop
  __syncthreads();
  y[threadIdx.x] = sum;
}
TEST_P(Meetings, ShuffleInALoopOfUnequalTrips) {
  Array<int> y(32);
  EXPECT_THAT(found(shuffle_in_a_loop, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("shuffle in a loop")), HasSubstr("never make it")));
}

__global__ void up_and_down(int* y) {
  y[threadIdx.x] = threadIdx.x < 16 ? __shfl_up_sync(~0U, 1, 1) : __shfl_down_sync(~0U, 1, 1);  // two kinds
}
TEST_P(Meetings, ShufflesOfTwoKinds) {
  Array<int> y(32);
  EXPECT_THAT(found(up_and_down, 1, 32, 0, y.data()),
              AllOf(HasSubstr(CUELBO_LINE("two kinds")), HasSubstr("never make it")));
}

__global__ void half_a_warp_multiplies(float* y) {
  float d[4] = {};
  const std::uint32_t a[4] = {}, b[2] = {};
  ptx::mma_bf16(d, a, b);
  y[threadIdx.x] = d[0];
}
TEST_P(Meetings, TensorCoresWithoutTheWholeWarp) {
  Array<float> y(32);
  EXPECT_EQ(found(half_a_warp_multiplies, 1, 32, 0, y.data()), "nothing");
  EXPECT_THAT(found(half_a_warp_multiplies, 1, 16, 0, y.data()), HasSubstr("without all lanes of the warp"));
}

}  // namespace
}  // namespace cuelbo::kernels
