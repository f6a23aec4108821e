// Watches kernels while they run. The checked build installs one (checked/), other builds have none. It receives what
// happens on one OS thread at a time.
#pragma once

#include <cstddef>
#include <span>

#include <vector_types.h>

#include "kernels/runtime/simt/profile.hpp"

namespace cuelbo::simt {

class BlockRunner;
struct AsyncCopy;

// `site` is an address in the code of the kernel that did it.
class Observer {
 public:
  virtual ~Observer() = default;

  // ---- memory of the device; null: there is not enough

  virtual void* allocate(std::size_t alignment, std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void written(const void* memory, std::size_t bytes) = 0;  // by a copy or memset of the host

  // ---- the running thread leaves the kernel for the runtime and enters it again, on its stack

  virtual void enter_kernel(std::span<const std::byte> stack) = 0;
  virtual void leave_kernel() = 0;

  // ---- order: blocks of a launch run one after the other

  virtual void begin_launch() = 0;
  virtual void begin_block(BlockRunner& runner, uint3 index, std::span<std::byte> dynamic_shared,
                           std::span<std::byte> static_shared) = 0;
  virtual void end_block() = 0;
  virtual void barrier() = 0;                                // of all threads of the block
  virtual void warp_operation(int warp, unsigned mask) = 0;  // which all lanes of its mask have reached

  // ---- pieces of straight code, of lanes that run in lockstep

  virtual bool in_lockstep() const = 0;
  virtual void enter_code(int warp) = 0;  // the first of its lanes that do

  // Counts what kernels access until take_profile(), and has their lanes run in lockstep.
  virtual void start_profile() = 0;
  virtual Profile take_profile() = 0;

  // ---- accesses of the running thread that an instruction of the runtime makes

  virtual void read(const void* address, std::size_t bytes, const void* site) = 0;
  virtual void atomic(void* address, std::size_t bytes, bool reads, const void* site) = 0;
  virtual void copy_started(const AsyncCopy& copy) = 0;
  virtual void copy_finished(const AsyncCopy& copy) = 0;
};

inline constinit Observer* observer = nullptr;  // installed before anything runs

}  // namespace cuelbo::simt

// On functions of the runtime that end up in kernel files: their accesses are not the kernel's.
#define CUELBO_NOT_OBSERVED __attribute__((no_sanitize("thread")))
