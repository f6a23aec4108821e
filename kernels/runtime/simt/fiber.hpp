// Stackful coroutines of one OS thread: CUDA threads that block wait on one.
#pragma once

#include <cstddef>
#include <span>

namespace cuelbo::simt {

class Fiber {
 public:
  using Entry = void (*)(void* argument);

  // The OS thread's own stack, to switch away from and back to.
  Fiber() = default;
  // A stack of its own with a guard page below it; entry begins at the first switch to it and must not return. Throws
  // std::bad_alloc.
  Fiber(Entry entry, void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Leaves this fiber, on which the caller runs, and goes on with `next`. Returns when something switches back.
  void switch_to(Fiber& next);

  // Empty for the OS thread's own.
  std::span<const std::byte> stack() const {
    return mapping_ == nullptr ? std::span<const std::byte>()
                               : std::span(static_cast<const std::byte*>(bottom_), size_);
  }
  // Whether the address is in the guard page: the stack is used up.
  bool guards(const void* address) const;

 private:
  struct Context;  // registers, where no assembly serves
  static void begin();
  void arrived();

  void* mapping_ = nullptr;
  void* stack_pointer_ = nullptr;
  Context* context_ = nullptr;
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  const void* bottom_ = nullptr;  // the stack as announced to AddressSanitizer
  std::size_t size_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;
};

}  // namespace cuelbo::simt
