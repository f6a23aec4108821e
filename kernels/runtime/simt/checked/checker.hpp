// Finds races, reads of memory that nothing has written, and bad addresses in the accesses of kernels: what
// compute-sanitizer's racecheck, initcheck and memcheck find on a GPU.
//
// Each word remembers its last write and its last readers (shadow_memory.hpp); an access that they did not happen before
// (clocks.hpp) is a race, whatever the order in which the threads ran. As for racecheck, two writes of the same value are
// one too. Atomic operations acquire and release at their address: for other blocks only what a fence had published before.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>

#include "kernels/runtime/simt/checked/profiler.hpp"
#include "kernels/runtime/simt/checked/shadow_memory.hpp"
#include "kernels/runtime/simt/module.hpp"
#include "kernels/runtime/simt/observer.hpp"

namespace cuelbo::simt::checked {

enum class Kind : std::uint8_t { read, write, atomic_update, atomic_write, copy_start, copy_finish };
constexpr bool reads(Kind kind) { return kind == Kind::read || kind == Kind::atomic_update; }
constexpr bool writes(Kind kind) { return kind != Kind::read; }
constexpr bool is_atomic(Kind kind) { return kind == Kind::atomic_update || kind == Kind::atomic_write; }

// The stack of the thread that is in a kernel. Code whose frame is not on it is host code, perhaps of another thread of the
// host, or the runtime's.
class RunningStack {
 public:
  [[gnu::always_inline]] bool contains(const void* address) const {
    return reinterpret_cast<Address>(address) - begin_.load(std::memory_order_relaxed) <
           bytes_.load(std::memory_order_relaxed);
  }
  bool contains(const void* address, std::size_t bytes) const {
    const Address offset = reinterpret_cast<Address>(address) - begin_.load(std::memory_order_relaxed);
    const std::size_t size = bytes_.load(std::memory_order_relaxed);
    return offset < size && bytes <= size - offset;
  }
  void set(std::span<const std::byte> stack) {
    begin_.store(reinterpret_cast<Address>(stack.data()), std::memory_order_relaxed);
    bytes_.store(stack.size(), std::memory_order_relaxed);
  }
  // The checker uses templates of the library whose instrumented copies the linker may have kept.
  class Pause {
   public:
    explicit Pause(RunningStack& stack)
        : stack_(stack), bytes_(stack.bytes_.exchange(0, std::memory_order_relaxed)) {}
    ~Pause() { stack_.bytes_.store(bytes_, std::memory_order_relaxed); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    RunningStack& stack_;
    std::size_t bytes_;
  };

 private:
  std::atomic<Address> begin_ = 0;
  std::atomic<std::size_t> bytes_ = 0;
};
inline constinit RunningStack running_stack;

class Checker final : public Observer {
 public:
  Checker();

  // An access of the running thread. `bytes` do not cross a multiple of page_bytes.
  template <Kind kind>
  void access(Address address, std::size_t bytes, const void* site) {
    if (profiler_ != nullptr) profile(address, bytes, kind, site);
    check<kind>(address, bytes, site);
  }
  template <Kind kind>
  void check(Address address, std::size_t bytes, const void* site) {
    const View* view = memory_.view(address, bytes);
    if (view == nullptr) {
      check_outside(address, bytes, kind, site);
      return;
    }
    Page& page = *view->page;
    if (page.whole_words && ((address | bytes) & 3) != 0) page.refine();
    const unsigned shift = page.whole_words ? 2 : 0;
    const std::size_t offset = address % page_bytes;
    const Access now{.address = address,
                     .bytes = bytes,
                     .kind = kind,
                     .site = number(site),
                     .thread = runner_->running(),
                     .region = view->region};
    for (std::size_t i = offset >> shift; i <= (offset + bytes - 1) >> shift; ++i) {
      Cell& cell = page.cells[i];
      if (reads(kind) && (cell.write_time == 0 || (now.shared() && cell.write_time <= clocks_.block_begin())))
        check_written(address - offset + (i << shift), std::size_t{1} << shift, now);
      if (kind != Kind::copy_finish) {
        if (cell.write_time > clocks_.barrier() || of_another_block(cell.write_time) ||
            (cell.writer & Cell::in_flight) != 0)
          check_against_write(cell, now);
        if (writes(kind) && cell.reads[0].time > clocks_.launch_begin()) check_against_reads(cell, now);
      }
      if (writes(kind))
        note_write(cell, now);
      else
        note_read(cell, now);
    }
  }
  template <Kind kind>
  void access_range(const void* address, std::size_t bytes, const void* site);
  template <Kind kind>
  void access_atomically(const void* address, std::size_t bytes, const void* site);
  void fence();  // by the running thread, for all blocks
  void check_alignment(const void* address, std::size_t bytes, Kind kind, const void* site) {
    if (reinterpret_cast<Address>(address) % bytes != 0) misaligned(bytes, kind, site);
  }

  // ---- Observer

  void* allocate(std::size_t alignment, std::size_t bytes) override;
  void release(void* memory) override;
  void written(const void* memory, std::size_t bytes) override;
  void enter_kernel(std::span<const std::byte> stack) override { running_stack.set(stack); }
  void leave_kernel() override { running_stack.set({}); }
  void begin_launch() override;
  void begin_block(BlockRunner& runner, uint3 index, std::span<std::byte> dynamic_shared,
                   std::span<std::byte> static_shared) override;
  void end_block() override {
    if (profiler_ != nullptr) profiler_->end_block();
  }
  bool in_lockstep() const override { return profiler_ != nullptr; }
  void start_profile() override { profiler_ = std::make_unique<Profiler>(); }
  Profile take_profile() override { return std::exchange(profiler_, nullptr)->result(module_); }
  void enter_code(int warp) override { profiler_->finish(warp); }
  void barrier() override { clocks_.pass_barrier(); }
  void warp_operation(int warp, unsigned mask) override { clocks_.warp_operation(warp, mask); }
  void read(const void* address, std::size_t bytes, const void* site) override;
  void atomic(void* address, std::size_t bytes, bool reads, const void* site) override;
  void copy_started(const AsyncCopy& copy) override;
  void copy_finished(const AsyncCopy& copy) override;

 private:
  struct Access {
    Address address = 0;
    std::size_t bytes = 0;
    Kind kind = Kind::read;
    Site site = 0;
    int thread = 0;
    const Region* region = nullptr;

    int warp() const { return thread / warp_size; }
    int lane() const { return thread % warp_size; }
    bool shared() const { return is_shared(region->space); }
  };

  template <class F>
  void place(std::span<std::byte>& known, std::span<std::byte> memory, F&& add);
  void add_variables(std::span<std::byte> static_shared);
  void note_write(Cell& cell, const Access& now) {
    const unsigned flags = is_atomic(now.kind)            ? Cell::atomic
                           : now.kind == Kind::copy_start ? Cell::in_flight
                                                          : 0U;
    cell.reads[0].time = cell.reads[1].time = 0;
    cell.write_time = clocks_.now();
    cell.write_site = now.site;
    cell.writer = static_cast<std::uint16_t>(static_cast<unsigned>(now.thread) | flags);
  }
  void note_read(Cell& cell, const Access& now);
  Site number(const void* site) const {
    return static_cast<Site>(reinterpret_cast<Address>(site) - module_.base);
  }
  void profile(Address address, std::size_t bytes, Kind kind, const void* site);
  void check_against_write(const Cell& cell, const Access& now);
  void check_against_reads(const Cell& cell, const Access& now);
  void check_written(Address cell, std::size_t bytes, const Access& now);
  bool of_another_block(Time time) const {
    return time <= clocks_.block_begin() && time > clocks_.launch_begin();
  }

  // Each ends the block with a finding.
  void check_outside(Address address, std::size_t bytes, Kind kind, const void* site);
  [[noreturn]] void misaligned(std::size_t bytes, Kind kind, const void* site);
  [[noreturn]] void race(const Access& now, const char* with, int thread, Time time, Site site);
  [[noreturn]] void fail(Site site, std::string what);

  Module module_;
  Clocks clocks_;
  ShadowMemory memory_;
  std::unique_ptr<Profiler> profiler_;  // null: no profile was asked for
  BlockRunner* runner_ = nullptr;
  std::span<const std::byte> thread_locals_;  // threadIdx and the like
  std::span<std::byte> dynamic_shared_, static_shared_;
  struct Freed {
    void* memory = nullptr;
    std::size_t bytes = 0;
  };
  std::deque<Freed> freed_;  // kept for a while, so that accesses show
  std::size_t freed_bytes_ = 0;
};

extern Checker* checker;  // not null while a kernel runs

}  // namespace cuelbo::simt::checked
