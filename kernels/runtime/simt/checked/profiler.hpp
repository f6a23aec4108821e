// Groups the accesses of a warp's lanes into requests, as the hardware does, and counts what they touch. The lanes go in
// lockstep: a request is made of the lanes that run the same piece of straight code together.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <unordered_set>
#include <vector>

#include "kernels/runtime/simt/checked/shadow_memory.hpp"
#include "kernels/runtime/simt/module.hpp"
#include "kernels/runtime/simt/profile.hpp"

namespace cuelbo::simt::checked {

class Profiler {
 public:
  // The warp goes on to another piece of straight code: its requests are complete.
  void finish(int warp);
  void access(const BlockRunner& runner, Address address, unsigned bytes, AccessProfile::Kind kind,
              bool shared, Site site);  // by the running thread
  void end_block();

  Profile result(const Module& module);

 private:
  struct Key {
    Site site = 0;
    AccessProfile::Kind kind{};
    bool shared = false;
    unsigned bytes = 0;  // of a lane
    auto operator<=>(const Key&) const = default;
  };
  struct Request {
    Key key;
    unsigned live_lanes = 0;  // of the warp
    unsigned lanes = 0;
    Address addresses[warp_size] = {};
  };
  void count(const Request& request);

  // The requests of each warp at its current piece of code.
  std::vector<std::vector<Request>> requests_{std::size_t{max_block_threads / warp_size}};
  std::map<Key, AccessProfile> counts_;
  std::unordered_set<Address> loaded_, stored_;  // sectors of global memory
};

}  // namespace cuelbo::simt::checked
