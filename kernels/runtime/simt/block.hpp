// Executes the threads of one block on one OS thread. A CUDA thread starts as a plain call; it takes a fiber of its own
// only when it blocks, so a kernel without barriers runs as a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <vector_types.h>

#include "kernels/runtime/simt/fiber.hpp"
#include "kernels/runtime/simt/observer.hpp"

namespace cuelbo::simt {

inline constexpr int warp_size = 32;
inline constexpr int max_block_threads = 1024;

struct Location {
  const char* file = "";
  int line = 0;
};

// A fault of a kernel.
struct Finding {
  std::string text;  // what, in one line
  Location where;
  uint3 block{}, thread{};
};
std::string to_string(uint3 index);             // (x, y, z)
std::string to_string(Location location);       // file:line
std::string to_string(const Finding& finding);  // file:line: block (x, y, z), thread (x, y, z): what

// Order in which the threads of a block run between barriers. A correct kernel gives the same bits in each.
enum class ThreadOrder : std::uint8_t { forward, reverse, random };

// One warp operation of one lane: it waits until every lane of its mask that has not exited makes the same one. The last
// lane to arrive then performs it for all of them.
struct WarpCall {
  using Perform = void (*)(WarpCall* const lanes[warp_size], unsigned mask);
  unsigned mask = 0;
  Perform perform = nullptr;  // also tells one kind of operation from another
  void* operands = nullptr;   // of this lane, on its stack
  Location where;
  const char* complaint = nullptr;  // set by perform: what this lane did wrong
};

// An asynchronous copy into shared memory. It happens when it is waited for, so a missing wait shows.
struct AsyncCopy {
  void* to = nullptr;
  const void* from = nullptr;
  unsigned bytes = 0, filled = 0;  // copies `filled` bytes, writes zeros after them
  const void* site = nullptr;      // in the code, which copy_async notes
};

struct BlockTask {
  void (*body)(const void* context) = nullptr;  // the kernel with its arguments, for the current thread
  const void* context = nullptr;
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  ThreadOrder order = ThreadOrder::forward;
  std::uint64_t seed = 0;
  // Pieces of straight code that its threads may enter together, so that endless loops end; 0: any number.
  std::uint64_t code_limit = 0;
};

class BlockRunner {
 public:
  BlockRunner() = default;
  ~BlockRunner() = default;
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  // Runs all threads of a block; false and finding() if one did something wrong, which ends the block.
  bool run(const BlockTask& task, uint3 block_index);
  const Finding& finding() const { return finding_; }

  // ---- for the running thread

  static BlockRunner& current();
  static BlockRunner* of_running_kernel();  // null: the calling OS thread is in no kernel
  CUELBO_NOT_OBSERVED void* shared_memory() const { return shared_; }
  void barrier(Location where);
  void warp_operation(WarpCall& call);
  int running() const { return running_; }
  CUELBO_NOT_OBSERVED int lane() const { return running_ % warp_size; }
  unsigned live_lanes() const;
  // The lanes that come to the same place while the others of the warp are elsewhere: as many as can come together.
  unsigned active_lanes(Location where);
  void copy_async(AsyncCopy copy);
  void commit_async_copies();
  void wait_async_copies(std::size_t groups_left);
  [[noreturn]] void fail(Location where, std::string what);
  const Fiber& stack() const { return *active_; }
  // It begins a piece of straight code, with this frame; in lockstep, when it is its lane's turn.
  void enter_code(const void* code, const void* frame);
  uint3 index_of(int t) const;  // threadIdx of the t-th thread

 private:
  enum class State : std::uint8_t { unstarted, ready, at_barrier, in_warp, gathering, exited };
  // The start of the piece of straight code that a lane has reached, and the time.
  struct CodeEntry {
    std::uintptr_t code = 0;
    std::size_t depth = 0;  // of its stack
    std::uint64_t time = 0;
  };
  struct Thread {
    State state = State::unstarted;
    Fiber* fiber = nullptr;  // while it waits
    Location where;          // of what it waits for
    WarpCall* call = nullptr;
    unsigned active = 0;              // lanes that it has gathered with
    std::vector<AsyncCopy> copies;    // of all groups, oldest first
    std::vector<std::size_t> groups;  // copies of each committed group
    std::size_t uncommitted = 0;
    CodeEntry next;             // in lockstep
    bool between_code = false;  // it waits there
  };

  // While the runtime acts for a thread, the kernel is left.
  class OutsideKernel {
   public:
    explicit OutsideKernel(const BlockRunner& runner) : runner_(runner) {
      if (observer != nullptr) observer->leave_kernel();
    }
    ~OutsideKernel() {
      if (observer != nullptr) observer->enter_kernel(runner_.active_->stack());
    }
    OutsideKernel(const OutsideKernel&) = delete;
    OutsideKernel& operator=(const OutsideKernel&) = delete;

   private:
    const BlockRunner& runner_;
  };

  static void fiber_main(void* argument);
  void run_thread(int t);
  void leave(Fiber& next);
  void let_others_run();
  int next_runnable();
  int next_in_order();
  int next_in_lockstep();
  bool comes_along(const Thread& thread, int warp) const;
  int warps() const { return (count_ + warp_size - 1) / warp_size; }
  void resume(int t);
  void release_barrier();
  void complete_warp(int warp);
  bool try_complete(int warp, unsigned mask, WarpCall::Perform perform);
  bool release_gathered(int warp);
  void shuffle_order();
  void report(int thread, Location where, std::string what);
  void report_stuck();
  Fiber& free_fiber();

  const BlockTask* task_ = nullptr;
  uint3 block_index_{};
  std::vector<Thread> threads_;
  std::vector<int> order_;
  std::mt19937_64 random_;
  int count_ = 0, running_ = 0, cursor_ = 0;
  int live_ = 0, arrived_ = 0;
  int last_exited_ = -1;

  Fiber main_;
  Fiber* active_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_fibers_;
  bool failed_ = false;
  Finding finding_;

  bool lockstep_ = false;
  std::uint64_t entries_ = 0, entries_before_ = 0;  // into pieces of straight code; when the block began
  std::vector<CodeEntry> entered_;                  // by the first lane of each warp

  std::vector<std::byte> shared_storage_;
  void* shared_ = nullptr;
};

}  // namespace cuelbo::simt
