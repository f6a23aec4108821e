// Faults of the processor in kernels end the block with a finding, and no others are touched.
#include <sys/mman.h>

#include <csignal>
#include <thread>

#include "tests/kernels/simt/faulting_kernels.hpp"

namespace cuelbo::kernels {
namespace {

class SimtFaults : public testing::TestWithParam<simt::ThreadOrder> {
 protected:
  SimtFaults() { simt::set_order(GetParam(), 3); }
  ~SimtFaults() override { simt::set_order(simt::ThreadOrder::forward, 0); }
};
INSTANTIATE_TEST_SUITE_P(Orders, SimtFaults,
                         testing::Values(simt::ThreadOrder::forward, simt::ThreadOrder::reverse,
                                         simt::ThreadOrder::random));

TEST_P(SimtFaults, AreFindings) {
  for (const FaultCase& fault : cases_for(GetParam()))
    EXPECT_THAT(finding_of(fault), is_found(fault)) << fault.name;
}

CUELBO_FAULTS __global__ void write_to(int* address) {
  if (threadIdx.x == 5) *address = 1;
}
TEST_P(SimtFaults, AddressesWithoutMemoryAreFindings) {
  const auto found = [](std::uintptr_t address) {
    launch(write_to, 1, 32, 0, {}, reinterpret_cast<int*>(address));
    const auto finding = simt::take_finding();
    return finding ? to_string(*finding) : "nothing";
  };
  using testing::HasSubstr;
  EXPECT_THAT(found(0), HasSubstr("thread (5, 0, 0): access to address 0, where no memory is"));
  EXPECT_THAT(found(0x10), HasSubstr("thread (5, 0, 0): access to address 0x10, where no memory is"));
  EXPECT_THAT(found(std::uintptr_t{1} << 60), HasSubstr("access to an address that no memory can have"));
}

// All blocks fault, on all threads of the pool: the first one is reported, and the next launch works.
CUELBO_FAULTS __global__ void divide_everywhere(int* x, int by) { x[place()] = 100 / by; }
TEST_P(SimtFaults, OfAllBlocksTheFirstIsReported) {
  int* x = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&x), 64 * 32 * sizeof(int));
  launch(divide_everywhere, 64, 32, 0, {}, x, 0);
  const auto finding = simt::take_finding();
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->block.x, 0U);
  launch(divide_everywhere, 64, 32, 0, {}, x, 3);
  EXPECT_FALSE(simt::take_finding());
  std::vector<int> host(std::size_t{64} * 32);
  cudaMemcpy(host.data(), x, host.size() * sizeof(int), cudaMemcpyDeviceToHost);
  for (const int value : host) EXPECT_EQ(value, 33);
  cudaFree(x);
}

CUELBO_FAULTS void fault_on_the_host() {
  launch(write_to, 1, 32, 0, {}, static_cast<int*>(nullptr));
  simt::take_finding();
  *static_cast<volatile int*>(nullptr) = 1;
}
#if !defined(__SANITIZE_ADDRESS__)  // which watches the heap and drops threads' signal stacks itself
__global__ void free_twice(int*) {
  void* volatile memory = std::malloc(24);
  std::free(memory);
  std::free(memory);
}
// Describing a fault takes memory, so one of the heap ends the program.
TEST(SimtFaultsDeathTest, OfTheHeapEndTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto damage_the_heap = [] {
    launch(free_twice, 1, 1, 0, {}, nullptr);
    simt::take_finding();
  };
  EXPECT_EXIT(damage_the_heap(), testing::KilledBySignal(SIGABRT), "double free");
}

TEST(SimtSignalStack, OfAThreadThatHasOneIsKept) {
  constexpr std::size_t bytes = std::size_t{1} << 16;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::thread([&] {
    const stack_t own{.ss_sp = memory, .ss_flags = 0, .ss_size = bytes};
    sigaltstack(&own, nullptr);
    launch(write_to, 1, 32, 0, {}, static_cast<int*>(nullptr));
    EXPECT_TRUE(simt::take_finding());
  }).join();
  EXPECT_EQ(msync(memory, bytes, MS_ASYNC), 0) << "it is no longer mapped";
  munmap(memory, bytes);
}
#endif

TEST(SimtFaultsDeathTest, OfTheHostAreNotTouched) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
#if defined(__SANITIZE_ADDRESS__)  // its own handler takes over
  EXPECT_EXIT(fault_on_the_host(), testing::ExitedWithCode(1), "AddressSanitizer: SEGV");
#else
  EXPECT_EXIT(fault_on_the_host(), testing::KilledBySignal(SIGSEGV), "");
#endif
  EXPECT_EXIT(std::abort(), testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace cuelbo::kernels
