// The cost of a kernel's accesses, one row per source line and kind of access: the memory tables of Nsight Compute,
// from executing the kernel. Accesses are those of the source; a compiler for GPUs may merge or drop some.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cuelbo::simt {

struct AccessProfile {
  enum class Kind : std::uint8_t { load, store, atomic };

  std::string file;
  int line = 0;
  Kind kind = Kind::load;
  bool shared = false;         // else global memory
  unsigned bytes = 0;          // of one lane
  std::int64_t requests = 0;   // by a warp, of the lanes that come to the line together
  std::int64_t lanes = 0;      // of all requests
  std::int64_t divergent = 0;  // requests without some of the warp's lanes that have not exited

  // Global memory: 32-byte sectors that requests touch, as few as their bytes would fill, and 128-byte lines.
  std::int64_t sectors = 0, ideal_sectors = 0, cache_lines = 0;
  // Shared memory: cycles that 32 banks of 4 bytes need, and if no two words of a request met in one.
  std::int64_t wavefronts = 0, ideal_wavefronts = 0;
  // Atomics: lanes at the address that most lanes of a request share, which are served one after the other.
  std::int64_t serialized = 0;
};

struct Profile {
  std::vector<AccessProfile> lines;            // by file and line
  std::int64_t loaded = 0, stored = 0;         // bytes of global memory moved, in sectors; atomics are both
  std::int64_t must_load = 0, must_store = 0;  // of distinct sectors: the least that would have had to move
};

}  // namespace cuelbo::simt
