// The same with instrumentation, which sees divisions by zero that the compiler turns into others, and endless loops.
#include "kernels/runtime/simt/faults.hpp"
#include "kernels/runtime/simt/checked/checker.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"
#include "tests/kernels/simt/faulting_kernels.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CheckedFaults : public Checked {};
CUELBO_IN_ALL_ORDERS(CheckedFaults);

TEST_P(CheckedFaults, AreFindings) {
  for (const FaultCase& fault : cases_for(GetParam()))
    EXPECT_THAT(finding_of(fault), is_found(fault)) << fault.name;
}

TEST(CheckedFaultsOfWarps, AreFindingsInLockstepToo) {
  simt::set_order(simt::ThreadOrder::forward, 0);
  for (const FaultCase& fault : fault_cases) {
    simt::checked::checker->start_profile();
    EXPECT_THAT(finding_of(fault), is_found(fault)) << fault.name;
    simt::checked::checker->take_profile();
  }
}

// The compiler makes a comparison of 1 / x, and nothing at all of what is not used.
__global__ void invert(const int* x, int* y) {
  y[threadIdx.x] = 1 / x[threadIdx.x];  // inverts
}
__global__ void divide_for_nothing(const short* x) {
  [[maybe_unused]] const int unused = 1000 / x[threadIdx.x];  // for nothing
}
TEST_P(CheckedFaults, DivisionsThatDoNotTrapAreFindings) {
  const Array<int> x({1, -1, 2, 0}), y(4);
  EXPECT_THAT(
      found(invert, 1, 4, 0, static_cast<const int*>(x.data()), y.data()),
      AllOf(HasSubstr(CUELBO_LINE("inverts")), HasSubstr("thread (3, 0, 0): integer division by zero")));
  EXPECT_EQ(found(invert, 1, 3, 0, static_cast<const int*>(x.data()), y.data()), "nothing");
  const Array<short> z(std::vector<short>{1, 0});
  EXPECT_THAT(found(divide_for_nothing, 1, 2, 0, static_cast<const short*>(z.data())),
              AllOf(HasSubstr(CUELBO_LINE("for nothing")), HasSubstr("thread (1, 0, 0)")));
}

__global__ void wait_for_others(const volatile int* turn, int* y) {
  if (threadIdx.x == 3)
    while (turn[0] != 1) y[1] = 1;  // waits
}
TEST_P(CheckedFaults, LoopsThatDoNotEndAreFindings) {
  const Array<int> turn(std::vector<int>{0}), y(2);
  const auto found = [&](std::uint64_t limit) {
    simt::enqueue(
        {.grid = 1, .block = 4, .code_limit = limit},
        [turn = turn.data(), y = y.data()]() CUELBO_NOT_OBSERVED { wait_for_others(turn, y); }, nullptr);
    const auto finding = simt::take_finding();
    return finding ? to_string(*finding) : "nothing";
  };
  EXPECT_THAT(found(1000), AllOf(HasSubstr(CUELBO_LINE("waits")),
                                 HasSubstr("thread (3, 0, 0): the block still runs after 1000 steps"),
                                 HasSubstr("1000 steps")));
  cudaMemset(turn.data(), 1, 1);
  EXPECT_EQ(found(1000), "nothing");
}

// A loop without code announces nothing.
__global__ void loop_without_code(const int* x) {
  if (x[threadIdx.x] == 0)
    while (true) {  // loops
    }
}
TEST(CheckedFaultsOfLoops, EmptyOnesAreFindings) {
  simt::Watchdog::tick_milliseconds = 10;
  const Array<int> x(std::vector<int>{1, 0});
  simt::enqueue(
      {.grid = 1, .block = 2, .code_limit = 1000},
      [x = x.data()]() CUELBO_NOT_OBSERVED { loop_without_code(x); }, nullptr);
  const auto finding = simt::take_finding();
  ASSERT_TRUE(finding);
  EXPECT_THAT(to_string(*finding),
              AllOf(HasSubstr("faults_test.cpp:"), HasSubstr("thread (1, 0, 0): a loop without end")));
}

}  // namespace
}  // namespace cuelbo::kernels
