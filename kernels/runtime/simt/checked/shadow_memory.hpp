// The state of each word of shared and global memory: its last write and its last readers. A page whose accesses are
// not all whole words has a cell per byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "kernels/runtime/simt/checked/clocks.hpp"

namespace cuelbo::simt::checked {

using Site = std::uint32_t;  // an address in the code, relative to the module
using Address = std::uintptr_t;

struct Read {
  Time time = 0;  // of the earliest of these lanes
  std::uint32_t lanes = 0;
  Site site = 0;
};

struct Cell {
  Time write_time = 0;
  Site write_site = 0;
  Read reads[2];  // by warps that differ: a write after the second is ordered with at most one of them
  std::uint16_t writer = 0;  // thread of its block, and flags
  std::uint8_t read_warp[2] = {};

  static constexpr unsigned thread_bits = 0x3ff;
  static constexpr unsigned atomic = 0x4000;     // atomic operations do not race with one another
  static constexpr unsigned in_flight = 0x8000;  // an asynchronous copy that was not waited for
};

// guard: the variable that the compiler checks before it initialises a static variable.
enum class Space : std::uint8_t { static_shared, dynamic_shared, global, guard };
inline bool is_shared(Space space) { return space != Space::global; }

constexpr std::size_t page_bytes = 256;

struct Page {
  void refine();  // a cell for each byte

  std::vector<Cell> cells = std::vector<Cell>(page_bytes / 4);
  bool whole_words = true;
};

struct Region {
  Address begin = 0, end = 0;
  Space space = Space::global;
  std::vector<std::unique_ptr<Page>> pages;  // made when they are first touched
  std::vector<bool> written;                 // bytes that the host wrote; empty: none
};

// The part of a page that belongs to a region.
struct View {
  Address begin = 1, end = 0;
  Page* page = nullptr;
  Region* region = nullptr;

  bool contains(Address address, std::size_t bytes) const {
    return address >= begin && address + bytes <= end;
  }
};

class ShadowMemory {
 public:
  Region& add(Address begin, std::size_t bytes, Space space);
  void remove(Address begin);
  void remove_within(Address begin, Address end);  // the regions that begin there
  Region* find(Address address);                   // that contains it; null: none
  const std::map<Address, Region>& regions() const { return regions_; }

  // A view that contains the access; null: no region does. The access does not cross a multiple of page_bytes.
  const View* view(Address address, std::size_t bytes) {
    View& cached = views_[address / page_bytes % std::size(views_)];
    if (cached.contains(address, bytes)) return &cached;
    return look_up(address, bytes, cached);
  }

  // Afterwards only whether a word was written is known, not when.
  void forget_times();

 private:
  const View* look_up(Address address, std::size_t bytes, View& cached);

  std::map<Address, Region> regions_;  // by their beginnings
  View views_[1024];
};

}  // namespace cuelbo::simt::checked
