// The lanes that make a request together, and those that are missing from it.
#include "tests/kernels/simt/checked/profile_fixture.hpp"

namespace cuelbo::kernels {
namespace {

// Odd lanes go round the loop twice as often; all meet again behind it.
__global__ void divergent(const float* x, float* y) {
  float sum = 0;
  const int rounds = threadIdx.x % 2 == 0 ? 2 : 4;
  for (int i = 0; i < rounds; ++i) sum += x[i * 32 + threadIdx.x];  // in the loop
  if (threadIdx.x < 8) sum += x[threadIdx.x];                       // of eight lanes
  y[threadIdx.x] = sum;                                             // behind the loop
}
TEST(Lockstep, LanesThatPartedMeetAgain) {
  const Array<float> x(std::vector<float>(128, 1)), y(32);
  const Profile profile = profile_of(divergent, 1, 32, 0, static_cast<const float*>(x.data()), y.data());
  const AccessProfile loop = row(profile, CUELBO_LINE("in the loop"), Kind::load, false);
  EXPECT_EQ(loop.requests, 4);
  EXPECT_EQ(loop.lanes, 2 * 32 + 2 * 16);
  EXPECT_EQ(loop.sectors, 16);
  const AccessProfile eight = row(profile, CUELBO_LINE("of eight lanes"), Kind::load, false);
  EXPECT_EQ(eight.requests, 1);
  EXPECT_EQ(eight.sectors, 1);
  const AccessProfile store = row(profile, CUELBO_LINE("behind the loop"), Kind::store, false);
  EXPECT_EQ(store.requests, 1);
  EXPECT_EQ(store.sectors, 4);
}

// A shuffle in the middle of straight code.
__global__ void shuffled(const float* x, float* y, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const float other = __shfl_xor_sync(~0U, x[i * 32 + threadIdx.x], 1);  // before the shuffle
    y[i * 32 + threadIdx.x] = other;                                       // after the shuffle
  }
}
TEST(Lockstep, AShuffleDoesNotPartTheLanes) {
  const Array<float> x(std::vector<float>(96, 1)), y(96);
  const Profile profile = profile_of(shuffled, 1, 32, 0, static_cast<const float*>(x.data()), y.data(), 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("before the shuffle"), Kind::load, false).requests, 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("after the shuffle"), Kind::store, false).requests, 3);
}

template <int of_branch>
[[gnu::noinline]] __device__ void store(float* y, float value) {
  *y = value + of_branch;  // stored
}
// The branches meet; the lanes that came first have not come to the end of their piece of code.
__global__ void meet_in_branches(const float* x, float* y, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const float value = x[i * 32 + threadIdx.x];  // before the branches
    if (threadIdx.x < 16) {
      __syncwarp();
      store<0>(y + i * 32 + threadIdx.x, value);
    } else {
      __syncwarp();
      store<1>(y + i * 32 + threadIdx.x, value);
    }
  }
}
TEST(Lockstep, LanesOfABranchStayTogetherAfterTheyMetOthers) {
  const Array<float> x(std::vector<float>(96, 1)), y(96);
  const Profile profile =
      profile_of(meet_in_branches, 1, 32, 0, static_cast<const float*>(x.data()), y.data(), 3);
  const AccessProfile load = row(profile, CUELBO_LINE("before the branches"), Kind::load, false);
  EXPECT_EQ(load.requests, 3);
  EXPECT_EQ(load.lanes, 96);
  const AccessProfile stored = row(profile, CUELBO_LINE("stored"), Kind::store, false);
  EXPECT_EQ(stored.requests, 2 * 3);
  EXPECT_EQ(stored.lanes, 96);
}

// Each lane enters the branch in every fourth round.
__global__ void every_fourth_round(const float* x, float* y, int rounds) {
  float sum = 0;
  for (int i = 0; i < rounds; ++i)
    if (i % 4 == static_cast<int>(threadIdx.x % 4))
      sum += x[i * 32 + static_cast<int>(threadIdx.x)];  // fourth
  y[threadIdx.x] = sum;
}
TEST(Lockstep, NoLaneRunsAheadInALoop) {
  const Array<float> x(std::vector<float>(32 * 12, 1)), y(32);
  const Profile profile =
      profile_of(every_fourth_round, 1, 32, 0, static_cast<const float*>(x.data()), y.data(), 12);
  const AccessProfile load = row(profile, CUELBO_LINE("fourth"), Kind::load, false);
  EXPECT_EQ(load.requests, 12);
  EXPECT_EQ(load.lanes, 12 * 8);
  EXPECT_EQ(load.sectors, 12 * 4);
  EXPECT_EQ(load.divergent, 12);
}

// The linker places one of these functions behind the kernel and the other in front of it, by their sections' names.
[[gnu::noinline, gnu::section(".text.unlikely")]] __device__ float sum_in_front(const float* x, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i];  // in front
  return sum;
}
[[gnu::noinline, gnu::section(".text.zzz")]] __device__ float sum_behind(const float* x, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i];  // behind
  return sum;
}
template <float (*sum)(const float*, int)>
__global__ void some_call(const float* x, float* y) {
  float value = 0;
  if (threadIdx.x < 16) value = sum(x + threadIdx.x, 3);
  y[threadIdx.x] = value;  // after the call
}
TEST(Lockstep, LanesWaitForThoseThatCallAFunction) {
  const Array<float> x(std::vector<float>(32, 1)), y(32);
  for (const auto kernel : {some_call<sum_in_front>, some_call<sum_behind>}) {
    const Profile profile = profile_of(kernel, 1, 32, 0, static_cast<const float*>(x.data()), y.data());
    EXPECT_EQ(row(profile, CUELBO_LINE("after the call"), Kind::store, false).requests, 1);
  }
}

// Lanes of one function, at two depths of calls.
[[gnu::noinline]] __device__ void store_down(float* y, int calls) {
  if (calls > 1) store_down(y, calls - 1);
  y[32 * calls + static_cast<int>(threadIdx.x)] = 1;  // recursion
}
__global__ void recursive(float* y) { store_down(y, 1 + static_cast<int>(threadIdx.x % 2)); }
TEST(Lockstep, LanesAtDifferentDepthsOfCallsAreApart) {
  const Array<float> y(128);
  const Profile profile = profile_of(recursive, 1, 32, 0, y.data());
  const AccessProfile store = row(profile, CUELBO_LINE("recursion"), Kind::store, false);
  EXPECT_EQ(store.lanes, 16 + 32);
  EXPECT_EQ(store.requests, 2);  // of odd lanes, and of all when those are back
  EXPECT_EQ(store.divergent, 1);
}

__global__ void gather(const int* x, int* y, int* count) {
  if (x[threadIdx.x] > 0) {
    const unsigned here = __activemask();
    if (static_cast<int>(threadIdx.x % 32) == __ffs(static_cast<int>(here)) - 1)
      atomicAdd(count, __popc(here));  // gathered
  }
  y[threadIdx.x] = 1;  // after the gathering
}
TEST(Lockstep, LanesThatGatherInABranchMeetTheOthersBehindIt) {
  std::vector<int> values(64, 0);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = 1;
  const Array<int> x(values), y(64), count(std::vector<int>{0});
  const Profile profile =
      profile_of(gather, 1, 64, 0, static_cast<const int*>(x.data()), y.data(), count.data());
  EXPECT_EQ(count.host()[0], 22);
  EXPECT_EQ(row(profile, CUELBO_LINE("gathered"), Kind::atomic, false).lanes, 2);
  EXPECT_EQ(row(profile, CUELBO_LINE("after the gathering"), Kind::store, false).requests, 2);
}

// ---- divergence

__global__ void guarded(float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) y[i] = 1;  // guarded
}
TEST(Divergence, OfAGuardIsWhereItCutsAWarp) {
  const Array<float> y(128);
  const auto divergent = [&](int n) {
    const Profile profile = profile_of(guarded, 1, 128, 0, y.data(), n);
    return row(profile, CUELBO_LINE("guarded"), Kind::store, false).divergent;
  };
  EXPECT_EQ(divergent(128), 0);
  EXPECT_EQ(divergent(96), 0);
  EXPECT_EQ(divergent(97), 1);
  EXPECT_EQ(divergent(127), 1);
}

__global__ void odd_and_even(float* y) {
  if (threadIdx.x % 2 == 0)
    y[threadIdx.x] = 1;  // even
  else
    y[threadIdx.x + 64] = 2;  // odd
  y[threadIdx.x] = 3;         // both
}
TEST(Divergence, OfOddAndEvenLanesIsInBothBranches) {
  const Array<float> y(192);
  const Profile profile = profile_of(odd_and_even, 1, 64, 0, y.data());
  for (const std::string& line : {CUELBO_LINE("even"), CUELBO_LINE("odd")}) {
    const AccessProfile branch = row(profile, line, Kind::store, false);
    EXPECT_EQ(branch.requests, 2);
    EXPECT_EQ(branch.divergent, 2);
  }
  EXPECT_EQ(row(profile, CUELBO_LINE("both"), Kind::store, false).divergent, 0);
}

__global__ void unequal_trips(const float* x, float* y) {
  float sum = 0;
  for (unsigned i = 0; i < 1 + threadIdx.x / 8; ++i) sum += x[i * 32 + threadIdx.x];  // trips
  y[threadIdx.x] = sum;                                                               // after the trips
}
TEST(Divergence, OfALoopBeginsWhereLanesLeaveIt) {
  const Array<float> x(std::vector<float>(128, 1)), y(32);
  const Profile profile = profile_of(unequal_trips, 1, 32, 0, static_cast<const float*>(x.data()), y.data());
  const AccessProfile trips = row(profile, CUELBO_LINE("trips"), Kind::load, false);
  EXPECT_EQ(trips.requests, 4);
  EXPECT_EQ(trips.divergent, 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("after the trips"), Kind::store, false).divergent, 0);
}

// `return` is a guard like any other to the compiler: lanes exit when those that go on wait for something.
__global__ void exit_early(float* y, int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  y[threadIdx.x] = 1;  // not exited
  __syncwarp();
  y[threadIdx.x] = 2;  // exited
}
TEST(Divergence, IsNotOfLanesThatHaveExitedOrThatTheBlockDoesNotHave) {
  const Array<float> y(64);
  const auto divergent = [&](unsigned threads, int n, const std::string& line) {
    const Profile profile = profile_of(exit_early, 1, threads, 0, y.data(), n);
    const AccessProfile store = row(profile, line, Kind::store, false);
    EXPECT_EQ(store.requests, 2);
    return store.divergent;
  };
  EXPECT_EQ(divergent(64, 40, CUELBO_LINE("not exited")), 1);
  EXPECT_EQ(divergent(64, 40, CUELBO_LINE("exited")), 0);
  EXPECT_EQ(divergent(48, 64, CUELBO_LINE("not exited")), 0);
}

// Lanes that wait at the barrier have not exited.
__global__ void before_a_barrier(float* y) {
  if (threadIdx.x < 16) y[threadIdx.x] = 1;  // before the barrier
  __syncthreads();
  y[threadIdx.x] = 2;  // behind the barrier
}
TEST(Divergence, CountsLanesThatWaitAtABarrier) {
  const Array<float> y(64);
  const Profile profile = profile_of(before_a_barrier, 1, 64, 0, y.data());
  const AccessProfile before = row(profile, CUELBO_LINE("before the barrier"), Kind::store, false);
  EXPECT_EQ(before.requests, 1);
  EXPECT_EQ(before.divergent, 1);
  EXPECT_EQ(row(profile, CUELBO_LINE("behind the barrier"), Kind::store, false).divergent, 0);
}

}  // namespace
}  // namespace cuelbo::kernels
