#include "kernels/runtime/simt/checked/checker.hpp"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/runtime/simt/shared_memory.hpp"

namespace cuelbo::simt::checked {

constinit Checker* checker = nullptr;

namespace {

const char* name(Kind kind) {
  switch (kind) {
    case Kind::read: return "read";
    case Kind::write: return "write";
    case Kind::atomic_update:
    case Kind::atomic_write: return "atomic operation";
    case Kind::copy_start:
    case Kind::copy_finish: return "asynchronous copy";
  }
  return "";
}
const char* name(Space space) {
  switch (space) {
    case Space::static_shared: return "static shared memory";
    case Space::dynamic_shared: return "dynamic shared memory";
    case Space::global: return "global memory";
    case Space::guard: return "a guard of the compiler's";
  }
  return "";
}
std::string text(const char* what, std::size_t bytes) {
  return std::string(what) + " of " + std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}
bool contains(std::span<const std::byte> bytes, Address address, std::size_t size) {
  const Address offset = address - reinterpret_cast<Address>(bytes.data());
  return offset < bytes.size() && size <= bytes.size() - offset;
}

}  // namespace

Checker::Checker() : module_(this_module()) {
  for (const std::span<const std::byte> segment : module_.writable) {  // __device__ variables
    Region& region = memory_.add(reinterpret_cast<Address>(segment.data()), segment.size(), Space::global);
    region.written.assign(segment.size(), true);
  }
}

// ---- memory

void* Checker::allocate(std::size_t alignment, std::size_t bytes) {
  // No two allocations share a page, and there is a gap between any two.
  const std::size_t padded = (bytes / page_bytes + 2) * page_bytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, page_bytes), padded) != 0) return nullptr;
  memory_.add(reinterpret_cast<Address>(memory), bytes, Space::global).written.assign(bytes, false);
  return memory;
}

void Checker::release(void* memory) {
  constexpr std::size_t most = std::size_t{64} << 20;
  const auto address = reinterpret_cast<Address>(memory);
  const std::size_t bytes = memory_.regions().at(address).end - address;
  memory_.remove(address);
  freed_.push_back({memory, bytes});
  freed_bytes_ += bytes;
  for (; freed_bytes_ > most; freed_.pop_front()) {
    freed_bytes_ -= freed_.front().bytes;
    std::free(freed_.front().memory);
  }
}

void Checker::written(const void* memory, std::size_t bytes) {
  const auto address = reinterpret_cast<Address>(memory);
  Region* const region = memory_.find(address);
  if (region == nullptr || region->written.empty()) return;
  const auto first = region->written.begin() + static_cast<std::ptrdiff_t>(address - region->begin);
  std::fill(first, first + static_cast<std::ptrdiff_t>(std::min(bytes, region->end - address)), true);
}

// ---- order

void Checker::begin_launch() {
  constexpr Time last = ~Time{0} / 4 * 3;
  if (clocks_.now() > last) {
    memory_.forget_times();
    clocks_.restart();
  }
  clocks_.begin_launch();
}

void Checker::begin_block(BlockRunner& runner, uint3 index, std::span<std::byte> dynamic_shared,
                          std::span<std::byte> static_shared) {
  place(dynamic_shared_, dynamic_shared, [&] {
    memory_.add(reinterpret_cast<Address>(dynamic_shared.data()), dynamic_shared.size(),
                Space::dynamic_shared);
  });
  thread_locals_ = {static_shared.data() - module_.thread_local_bytes, module_.thread_local_bytes};
  place(static_shared_, static_shared, [&] { add_variables(static_shared); });
  runner_ = &runner;
  clocks_.begin_block(index);
}

// Makes regions of shared memory where it is not what it was for the block before.
template <class F>
void Checker::place(std::span<std::byte>& known, std::span<std::byte> memory, F&& add) {
  if (known.data() == memory.data() && known.size() == memory.size()) return;
  const auto begin = reinterpret_cast<Address>(known.data());
  memory_.remove_within(begin, begin + known.size());
  known = memory;
  if (!memory.empty()) add();
}

void Checker::add_variables(std::span<std::byte> static_shared) {
  if (module_.shared.empty())
    memory_.add(reinterpret_cast<Address>(static_shared.data()), static_shared.size(), Space::static_shared);
  for (const ThreadLocal& variable : module_.shared) {
    Region& region =
        memory_.add(reinterpret_cast<Address>(thread_locals_.data()) + variable.begin,
                    variable.end - variable.begin, variable.guard ? Space::guard : Space::static_shared);
    if (variable.guard) region.written.assign(variable.end - variable.begin, true);
  }
}

// ---- accesses

template <Kind kind>
void Checker::access_range(const void* address, std::size_t bytes, const void* site) {
  auto at = reinterpret_cast<Address>(address);
  const Region* const region = memory_.find(at);
  if (region == nullptr || bytes > region->end - at) {
    if (bytes > 0) check_outside(at, bytes, kind, site);
    return;
  }
  if (profiler_ != nullptr) profile(at, bytes, kind, site);
  while (bytes > 0) {
    const std::size_t part = std::min(bytes, page_bytes - at % page_bytes);
    check<kind>(at, part, site);
    at += part;
    bytes -= part;
  }
}
template void Checker::access_range<Kind::read>(const void*, std::size_t, const void*);
template void Checker::access_range<Kind::write>(const void*, std::size_t, const void*);

template <Kind kind>
void Checker::access_atomically(const void* address, std::size_t bytes, const void* site) {
  if (running_stack.contains(address)) return;
  const RunningStack::Pause pause(running_stack);
  check_alignment(address, bytes, kind, site);
  const Region* const region = memory_.find(reinterpret_cast<Address>(address));
  const bool shared = region != nullptr && is_shared(region->space);
  clocks_.acquire(runner_->running(), address, shared);
  access<kind>(reinterpret_cast<Address>(address), bytes, site);
  clocks_.release(runner_->running(), address, shared);
}

void Checker::fence() {
  const RunningStack::Pause pause(running_stack);
  clocks_.fence(runner_->running());
}

void Checker::read(const void* address, std::size_t bytes, const void* site) {
  check_alignment(address, bytes, Kind::read, site);
  access_range<Kind::read>(address, bytes, site);
}
void Checker::atomic(void* address, std::size_t bytes, bool reads, const void* site) {
  if (reads)
    access_atomically<Kind::atomic_update>(address, bytes, site);
  else
    access_atomically<Kind::atomic_write>(address, bytes, site);
}

// The hardware may write at any time between the copy and its wait.
void Checker::copy_started(const AsyncCopy& copy) {
  check_alignment(copy.to, copy.bytes, Kind::copy_start, copy.site);
  check_alignment(copy.from, copy.bytes, Kind::copy_start, copy.site);
  access_range<Kind::read>(copy.from, copy.filled, copy.site);
  access_range<Kind::copy_start>(copy.to, copy.bytes, copy.site);
}
void Checker::copy_finished(const AsyncCopy& copy) {
  access_range<Kind::copy_finish>(copy.to, copy.bytes, copy.site);
}

// Keeps the readers that a later write may race with: since the last barrier, of one warp and of another, or of another
// block.
void Checker::note_read(Cell& cell, const Access& now) {
  const std::uint32_t bit = 1U << now.lane();
  const auto warp = static_cast<std::uint8_t>(now.warp());
  const auto begin = [&](int slot) {
    cell.reads[slot] = {.time = clocks_.now(), .lanes = bit, .site = now.site};
    cell.read_warp[slot] = warp;
  };
  const auto join = [&](Read& read) {
    bool replaced = true;
    for (std::uint32_t lanes = read.lanes & ~bit; lanes != 0 && replaced; lanes &= lanes - 1)
      replaced = clocks_.ordered(now.warp(), now.lane(), std::countr_zero(lanes), read.time);
    if (replaced)
      read = {.time = clocks_.now(), .lanes = bit, .site = now.site};
    else
      read.lanes |= bit;
  };
  Read &first = cell.reads[0], &second = cell.reads[1];
  if (first.time <= clocks_.barrier()) {
    if (of_another_block(first.time) && !of_another_block(second.time)) {
      second = first;
      cell.read_warp[1] = cell.read_warp[0];
    }
    begin(0);
  } else if (cell.read_warp[0] == warp) {
    join(first);
  } else if (second.time <= clocks_.barrier()) {
    if (!of_another_block(second.time)) begin(1);
  } else if (cell.read_warp[1] == warp) {
    join(second);
  }
}

void Checker::profile(Address address, std::size_t bytes, Kind kind, const void* site) {
  const Region* const region = memory_.find(address);
  // threadIdx and the like are registers; guards are not part of the kernel.
  if (region == nullptr || region->space == Space::guard || kind == Kind::copy_finish) return;
  const auto as = is_atomic(kind)      ? AccessProfile::Kind::atomic
                  : kind == Kind::read ? AccessProfile::Kind::load
                                       : AccessProfile::Kind::store;
  profiler_->access(*runner_, address, static_cast<unsigned>(bytes), as, is_shared(region->space),
                    number(site));
}

void Checker::check_against_write(const Cell& cell, const Access& now) {
  const Time time = cell.write_time;
  const bool other_block = time <= clocks_.block_begin();
  if (other_block && (now.shared() || !of_another_block(time))) return;
  const int writer = static_cast<int>(cell.writer & Cell::thread_bits);
  const bool atomic = (cell.writer & Cell::atomic) != 0;
  if (!other_block) {
    if ((cell.writer & Cell::in_flight) != 0)
      race(now, "asynchronous copy, not waited for, of", writer, time, cell.write_site);
    if (time <= clocks_.barrier() || writer == now.thread) return;
    if (writer / warp_size == now.warp() && clocks_.ordered(now.warp(), now.lane(), writer % warp_size, time))
      return;
  }
  if ((atomic && is_atomic(now.kind)) || clocks_.ordered_by_atomics(now.thread, writer, time)) return;
  race(now, atomic ? "atomic operation of" : "write of", writer, time, cell.write_site);
}

void Checker::check_against_reads(const Cell& cell, const Access& now) {
  for (int slot = 0; slot < 2; ++slot) {
    const Read& read = cell.reads[slot];
    const bool other_block = !now.shared() && of_another_block(read.time);
    if (read.time <= clocks_.barrier() && !other_block) continue;
    const int warp = cell.read_warp[slot];
    std::uint32_t lanes = read.lanes;
    if (warp == now.warp() && !other_block) lanes &= ~(1U << now.lane());
    for (; lanes != 0; lanes &= lanes - 1) {
      const int lane = std::countr_zero(lanes), reader = warp * warp_size + lane;
      if (warp == now.warp() && !other_block && clocks_.ordered(warp, now.lane(), lane, read.time)) continue;
      if (clocks_.ordered_by_atomics(now.thread, reader, read.time)) continue;
      race(now, "read of", reader, read.time, read.site);
    }
  }
}

// A write that the compiler did not report shows in what the memory holds.
void Checker::check_written(Address cell, std::size_t bytes, const Access& now) {
  for (std::size_t i = 0; i < bytes; ++i)
    if (reinterpret_cast<const unsigned char*>(cell)[i] != poison) return;
  if (!now.region->written.empty() && now.region->written[cell - now.region->begin]) return;
  leave_kernel();
  fail(now.site, text(name(now.kind), now.bytes) + " of " + name(now.region->space) +
                     (now.shared() ? " that this block has not written" : " that nothing has written"));
}

// ---- findings

void Checker::check_outside(Address address, std::size_t bytes, Kind kind, const void* site) {
  if (contains(thread_locals_, address, bytes) && kind == Kind::read) return;  // threadIdx and the like
  for (const std::span<const std::byte> segment : module_.read_only)
    if (contains(segment, address, bytes) && kind == Kind::read) return;
  leave_kernel();
  std::string what = text(name(kind), bytes);
  for (const Freed& freed : freed_)
    if (address - reinterpret_cast<Address>(freed.memory) < freed.bytes)
      fail(number(site), what + " of freed memory");
  what += " outside of all memory that kernels may use";
  // The nearest memory that there is.
  Address nearest = 4096;
  std::string beside;
  const auto offer = [&](Address distance, const std::string& where, const Region& region) {
    if (distance >= nearest) return;
    nearest = distance;
    beside = ", " + where + " " + name(region.space) + " of " + std::to_string(region.end - region.begin) +
             " bytes";
  };
  for (const auto& [begin, region] : memory_.regions()) {
    if (address < begin)
      offer(begin - address, std::to_string(begin - address) + " bytes in front of", region);
    if (address < region.end && bytes > region.end - address) offer(0, "across the end of", region);
    if (address >= region.end)
      offer(address - region.end, std::to_string(address - region.end) + " bytes behind", region);
  }
  if (dynamic_shared_.empty()) {
    const auto begin = reinterpret_cast<Address>(dynamic_shared_.data());
    if (address >= begin && address - begin < nearest)
      beside = "; dynamic shared memory, of which this launch has 0 bytes";
  }
  what += beside;
  fail(number(site), what);
}

void Checker::misaligned(std::size_t bytes, Kind kind, const void* site) {
  leave_kernel();
  fail(number(site),
       text(name(kind), bytes) + " at an address that is not a multiple of " + std::to_string(bytes));
}

void Checker::race(const Access& now, const char* with, int thread, Time time, Site site) {
  leave_kernel();
  const bool other_block = time <= clocks_.block_begin();
  const Location there = source_lines(module_, {&site, 1}).front();
  std::string what = text(name(now.kind), now.bytes) + " races with the " + with;
  if (other_block) what += " block " + to_string(clocks_.block_of(time)) + ",";
  what += " thread " + to_string(runner_->index_of(thread)) + " at " + to_string(there);
  what += other_block                        ? "; between blocks"
          : thread / warp_size == now.warp() ? "; within a warp"
                                             : "; between warps";
  what += now.shared() ? "; shared memory" : "; global memory";
  if (other_block && clocks_.told(thread, time))
    what += "; an atomic operation tells of it, without a __threadfence() before";
  fail(now.site, what);
}

void Checker::fail(Site site, std::string what) {
  runner_->fail(source_lines(module_, {&site, 1}).front(), std::move(what));
}

}  // namespace cuelbo::simt::checked
