// 8 planted races between blocks: 3 of plain accesses, 5 of the pattern in which the last block reads what all have left.
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RacesBetweenBlocks : public Checked {};
CUELBO_IN_ALL_ORDERS(RacesBetweenBlocks);

__global__ void neighbour_block(int* y) {
  y[blockIdx.x] = 1;                                // blocks: write
  if (blockIdx.x % 2 == 1) y[blockIdx.x - 1] += 2;  // blocks: update
}
TEST_P(RacesBetweenBlocks, RaceBetweenBlocks) {
  Array<int> y(std::vector<int>(8, 0));
  EXPECT_THAT(found(neighbour_block, 8, 1, 0, y.data()),
              AllOf(HasSubstr(" block ("), HasSubstr("between blocks; global memory"),
                    HasSubstr(CUELBO_LINE("blocks: write")), HasSubstr(CUELBO_LINE("blocks: update"))));
}

__global__ void read_what_a_later_block_writes(const int* x, int* y) { y[blockIdx.x] = x[blockIdx.x + 1]; }
TEST_P(RacesBetweenBlocks, WriteByOneBlockOfWhatAnotherHasRead) {
  Array<int> x(std::vector<int>(9, 1));
  EXPECT_THAT(found(read_what_a_later_block_writes, 8, 1, 0, x.data(), x.data()),
              HasSubstr("between blocks; global memory"));
}

__global__ void plain_counter(int* count) {
  ++*count;  // counter
}
TEST_P(RacesBetweenBlocks, CounterWithoutAtomics) {
  Array<int> count(std::vector<int>{0});
  EXPECT_THAT(found(plain_counter, 1, 32, 0, count.data()),
              AllOf(HasSubstr("within a warp; global memory"), HasSubstr(CUELBO_LINE("counter"))));
  EXPECT_THAT(found(plain_counter, 2, 1, 0, count.data()), HasSubstr("between blocks; global memory"));
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
TEST_P(RacesBetweenBlocks, TicketTakenBeforeTheWholeBlockHasWritten) {
  Array<int> partial(4 * 64), sum(1);
  Array<unsigned> tickets(std::vector<unsigned>{0});
  EXPECT_THAT(found(ticket_without_barrier, 4, 64, 0, partial.data(), tickets.data(), sum.data()),
              HasSubstr("between blocks; global memory"));
}

// The work of the last block. The kernels below differ in how they take the ticket.
__device__ void sum_partials(const int* partial, unsigned blocks, int* sum) {
  int total = 0;
  for (unsigned i = 0; i < blocks; ++i) total += partial[i];  // last block: read
  *sum = total;
}

class Tickets : public RacesBetweenBlocks {
 protected:
  std::string run(void (*kernel)(int*, unsigned*, int*)) {
    cudaMemset(tickets_.data(), 0, sizeof(unsigned));
    return found(kernel, 4, 64, 0, partial_.data(), tickets_.data(), sum_.data());
  }
  std::vector<int> sum() const { return sum_.host(); }

 private:
  Array<int> partial_{4}, sum_{1};
  Array<unsigned> tickets_{1};
};
CUELBO_IN_ALL_ORDERS(Tickets);

__global__ void plain_ticket(int* partial, unsigned* tickets, int* sum) {
  if (threadIdx.x > 0) return;
  partial[blockIdx.x] = 1;
  __threadfence();
  if (++*tickets == gridDim.x) sum_partials(partial, gridDim.x, sum);  // plain ticket
}
TEST_P(Tickets, TakenByAPlainIncrement) {
  EXPECT_THAT(run(plain_ticket),
              AllOf(HasSubstr(CUELBO_LINE("plain ticket")), HasSubstr("between blocks; global memory")));
}

template <int fence>  // 0 before the ticket, 1 behind it, 2 none
__global__ void ticket(int* partial, unsigned* tickets, int* sum) {
  if (threadIdx.x > 0) return;
  partial[blockIdx.x] = 1;  // last block: write
  if (fence == 0) __threadfence();
  const bool last = atomicAdd(tickets, 1U) == gridDim.x - 1;
  if (fence == 1) __threadfence();
  if (last) sum_partials(partial, gridDim.x, sum);
}
TEST_P(Tickets, TakenWithoutAFence) {
  EXPECT_EQ(run(ticket<0>), "nothing");
  EXPECT_EQ(sum(), std::vector<int>{4});
  EXPECT_THAT(run(ticket<2>),
              AllOf(HasSubstr(CUELBO_LINE("last block: read")), HasSubstr(CUELBO_LINE("last block: write")),
                    HasSubstr("an atomic operation tells of it, without a __threadfence() before")));
}
TEST_P(Tickets, AFenceBehindTheTicketPublishesTooLate) {
  EXPECT_THAT(run(ticket<1>), HasSubstr("without a __threadfence() before"));
}

// The threads publish what they wrote themselves, but write once more.
__global__ void written_behind_the_fence(int* partial, unsigned* tickets, int* sum) {
  if (threadIdx.x > 0) return;
  partial[blockIdx.x] = 0;
  __threadfence();
  partial[blockIdx.x] = 1;  // behind the fence
  if (atomicAdd(tickets, 1U) == gridDim.x - 1) sum_partials(partial, gridDim.x, sum);
}
TEST_P(Tickets, AFenceDoesNotPublishWhatFollowsIt) {
  EXPECT_THAT(run(written_behind_the_fence), AllOf(HasSubstr(CUELBO_LINE("behind the fence")),
                                                   HasSubstr("without a __threadfence() before")));
}

}  // namespace
}  // namespace cuelbo::kernels
