// The same with instrumentation, which sees divisions by zero that the compiler turns into others, and endless loops.
#include <cmath>

#include "kernels/runtime/simt/checked/checker.hpp"
#include "kernels/runtime/simt/faults.hpp"
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

// What the processor computes silently, but a GPU otherwise.
__global__ void shift_all(const long long* by, long long* y) {
  const long long amount = by[threadIdx.x];
  switch (threadIdx.x) {
    case 0: y[0] = static_cast<int>(y[0]) << static_cast<int>(amount); break;       // shifts to the left
    case 1: y[1] = static_cast<unsigned>(y[1]) >> static_cast<int>(amount); break;  // shifts to the right
    case 2: y[2] <<= amount; break;                                                 // shifts 64 bits
    case 3: y[3] = static_cast<unsigned char>(y[3]) >> static_cast<unsigned>(amount); break;  // promotes
    default: break;
  }
}
TEST_P(CheckedFaults, ShiftsBeyondTheWidthAreFindings) {
  using Amounts = std::vector<long long>;
  const auto found_with = [](const Amounts& amounts) {
    const Array<long long> by(amounts), y(Amounts(4, 1));
    return found(shift_all, 1, 4, 0, static_cast<const long long*>(by.data()), y.data());
  };
  EXPECT_EQ(found_with({31, 31, 63, 31}), "nothing");
  EXPECT_EQ(found_with({0, 0, 0, 0}), "nothing");
  const struct {
    Amounts amounts;
    std::string line, thread, what;
  } faults[] = {
      {{32, 0, 0, 0}, CUELBO_LINE("shifts to the left"), "(0, 0, 0)", "shift of a 32-bit value by 32:"},
      {{0, -1, 0, 0}, CUELBO_LINE("shifts to the right"), "(1, 0, 0)", "shift of a 32-bit value by -1:"},
      {{0, 0, 64, 0}, CUELBO_LINE("shifts 64 bits"), "(2, 0, 0)", "shift of a 64-bit value by 64:"},
      {{0, 0, 0, -1}, CUELBO_LINE("promotes"), "(3, 0, 0)", "shift of a 32-bit value by 4294967295:"},
  };
  for (const auto& fault : faults)
    EXPECT_THAT(found_with(fault.amounts),
                AllOf(HasSubstr(fault.line + ": block (0, 0, 0), thread " + fault.thread + ": " + fault.what),
                      HasSubstr(" a GPU shifts out all bits")));
}

__global__ void convert_all(const double* x, int* y) {
  const double value = x[threadIdx.x];
  switch (threadIdx.x) {
    case 0: y[0] = static_cast<int>(static_cast<float>(value)); break;  // to int
    case 1: y[1] = static_cast<unsigned char>(value); break;            // to a byte
    case 2: y[2] = static_cast<long long>(value) > 0; break;            // to 64 bits
    default: break;
  }
}
TEST_P(CheckedFaults, ConversionsOfNumbersThatDoNotFitAreFindings) {
  using Values = std::vector<double>;
  const auto found_with = [](const Values& values) {
    const Array<double> x(values);
    const Array<int> y(3);
    return found(convert_all, 1, 3, 0, static_cast<const double*>(x.data()), y.data());
  };
  EXPECT_EQ(found_with({-2147483648.0, -0.5, 9e18}), "nothing");
  EXPECT_EQ(found_with({2147483520.0, 255.9, -9e18}), "nothing");
  const struct {
    Values values;
    std::string line, thread, what;
  } faults[] = {
      {{3e9, 0, 0},
       CUELBO_LINE("to int"),
       "(0, 0, 0)",
       "3e+09 does not fit into 'int': undefined in C++, a GPU gives 2147483647;"},
      {{NAN, 0, 0},
       CUELBO_LINE("to int"),
       "(0, 0, 0)",
       "NaN does not fit into 'int': undefined in C++, a GPU gives 0;"},
      {{0, -3, 0},
       CUELBO_LINE("to a byte"),
       "(1, 0, 0)",
       "-3 does not fit into 'unsigned char': undefined in C++, a GPU gives 0;"},
      {{0, 300, 0},
       CUELBO_LINE("to a byte"),
       "(1, 0, 0)",
       "300 does not fit into 'unsigned char': undefined in C++, a GPU gives 44;"},
      {{0, NAN, 0}, CUELBO_LINE("to a byte"), "(1, 0, 0)", "NaN does not fit into 'unsigned char'"},
      {{0, 0, -1e19},
       CUELBO_LINE("to 64 bits"),
       "(2, 0, 0)",
       "-1e+19 does not fit into 'long long int': undefined in C++, a GPU gives -9223372036854775808;"},
  };
  for (const auto& fault : faults)
    EXPECT_THAT(found_with(fault.values),
                HasSubstr(fault.line + ": block (0, 0, 0), thread " + fault.thread + ": " + fault.what));
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
