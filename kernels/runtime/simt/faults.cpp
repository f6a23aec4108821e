#include "kernels/runtime/simt/faults.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "kernels/runtime/simt/module.hpp"

namespace cuelbo::simt {

namespace {

constexpr int caught[] = {SIGFPE, SIGSEGV, SIGBUS, SIGILL, SIGABRT};
struct sigaction handled_before[NSIG];
std::terminate_handler terminated_before = nullptr;

// ---- where

struct Frames {
  std::uintptr_t addresses[32] = {};
  std::size_t count = 0;

  void add(std::uintptr_t address) {
    if (count < std::size(addresses)) addresses[count++] = address;
  }
  std::span<const std::uintptr_t> all() const { return {addresses, count}; }
};

_Unwind_Reason_Code add_frame(_Unwind_Context* context, void* frames) {
  auto& to = *static_cast<Frames*>(frames);
  to.add(_Unwind_GetIP(context));
  return to.count < std::size(to.addresses) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

// ---- signals. The handler runs on a stack of its own and notes what happened; then the thread goes on in end_block(), at the
// top of its stack, which is no longer needed.

struct Fault {
  int signal = 0;  // 0: none
  int code = 0;
  const void* address = nullptr;
  bool smallest_dividend = false;
  bool jumped = false;  // to the address
  Frames frames;
};

std::string hexadecimal(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return address == nullptr ? "0" : text;
}

std::string describe(const Fault& fault, const Fiber& stack) {
  if ((fault.code == SI_TKILL || fault.code == SI_USER) && fault.signal != SIGABRT)
    return "raise(SIG" + std::string(sigabbrev_np(fault.signal)) + "), which is a function of the host";
  switch (fault.signal) {
    case SIGFPE:
      if (!fault.smallest_dividend) return divided_by_zero;
      // Where accesses are observed, divisions by zero are too, before they happen.
      return std::string("integer division of the smallest number by -1") +
             (observer == nullptr ? " or 0" : ", whose result does not fit") +
             "; a GPU does not stop here, its result is unspecified";
    case SIGSEGV:
    case SIGBUS:
      if (stack.guards(fault.address))
        return "the thread's stack of " + std::to_string(stack.stack().size() >> 10) +
               " KiB is used up: by recursion, or by large local arrays";
      if (fault.jumped)
        return "a jump to address " + hexadecimal(fault.address) +
               ", where no code is: a call through a bad function pointer, or an array written beyond its "
               "end";
      if (fault.code == SI_KERNEL) return "access to an address that no memory can have";
      return "access to address " + hexadecimal(fault.address) + ", where no memory is";
    case SIGVTALRM: return "a loop without end";
    case SIGILL: return "a trap, or an instruction that does not exist";
    default: return "abort()";
  }
}

#if defined(__x86_64__)

// One per OS thread. Initialised to a value other than zero, which would place it among the static shared variables
// (shared_memory.hpp).
constinit thread_local Fault fault{.code = -1};

// While a fault is described, which takes memory: another one would be of a damaged heap. Like `fault`, not zero at first.
enum class Describing : int { no = 1, yes };
constinit thread_local Describing describing = Describing::no;

[[noreturn]] void end_block() {
  asm volatile("emms");  // the x87 registers may be in use
  Watchdog::sleep();
  describing = Describing::yes;
  const Fault seen = std::exchange(fault, Fault{.code = -1});
  BlockRunner& runner = BlockRunner::current();
  const Location where = source_line(seen.frames.all());
  std::string what = describe(seen, runner.stack());
  describing = Describing::no;
  runner.fail(where, std::move(what));
}

// Whether the dividend of a division is the smallest number of its type.
bool is_smallest(const gregset_t& registers) {
  const auto rax = static_cast<std::uint64_t>(registers[REG_RAX]);
  const auto rdx = static_cast<std::uint64_t>(registers[REG_RDX]);
  return (rax == 1ULL << 63 && rdx == ~0ULL) ||
         (static_cast<std::uint32_t>(rax) == 1U << 31 && static_cast<std::uint32_t>(rdx) == ~0U);
}

void go_on_in_end_block(BlockRunner& runner, gregset_t& registers) {
  const std::span<const std::byte> stack = runner.stack().stack();
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack.data(), stack.size());
#endif
  // 8 before a multiple of 16, as after a call.
  registers[REG_RSP] = reinterpret_cast<greg_t>(stack.data() + stack.size() - 64 - 8);
  registers[REG_RIP] = reinterpret_cast<greg_t>(&end_block);
  registers[REG_EFL] &= ~greg_t{0x400};  // the direction flag
}

void note_fault(const BlockRunner& runner, int number, const siginfo_t& info, const gregset_t& registers) {
  const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
  fault = {.signal = number,
           .code = info.si_code,
           .address = info.si_addr,
           .smallest_dividend = number == SIGFPE && is_smallest(registers),
           .jumped = number == SIGSEGV && reinterpret_cast<std::uintptr_t>(info.si_addr) == at};
  fault.frames.add(at + 1);  // as if it had returned
  // From a jump to nowhere, the return address alone leads back.
  const auto stack = runner.stack().stack();
  const auto* const top = reinterpret_cast<const std::byte*>(registers[REG_RSP]);
  if (fault.jumped && top >= stack.data() && top + sizeof(std::uintptr_t) <= stack.data() + stack.size())
    fault.frames.add(*reinterpret_cast<const std::uintptr_t*>(top));
  Frames all;
  _Unwind_Backtrace(add_frame, &all);
  std::size_t i = 0;
  while (i < all.count && all.addresses[i] != at) ++i;
  for (++i; i < all.count; ++i) fault.frames.add(all.addresses[i]);
}

// Whether the C library called abort() itself, but for assert(): it does where it finds the heap damaged, and may hold a lock.
bool aborted_by_the_library() {
  Frames frames;
  _Unwind_Backtrace(add_frame, &frames);
  const void *library = nullptr, *caller = nullptr;  // where abort() is, and what called it
  for (const std::uintptr_t address : frames.all()) {
    Dl_info info{};
    dladdr(reinterpret_cast<const void*>(address - 1), &info);
    const std::string_view name = info.dli_sname == nullptr ? "" : info.dli_sname;
    if (name == "__assert_fail") return false;
    if (library != nullptr && caller == nullptr) caller = info.dli_fbase;
    if (name == "abort") library = info.dli_fbase;
  }
  return library != nullptr && caller == library;
}

bool end_kernel(int number, const siginfo_t& info, void* context) {
  BlockRunner* const runner = BlockRunner::of_running_kernel();
  if (runner == nullptr || describing == Describing::yes) return false;
  if (number == SIGABRT && aborted_by_the_library()) return false;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  // If there is one already, the stack is damaged so that unwinding it failed.
  if (fault.signal == 0) note_fault(*runner, number, info, registers);
  go_on_in_end_block(*runner, registers);
  return true;
}

#else

bool end_kernel(int, const siginfo_t&, void*) { return false; }

#endif

void on_signal(int number, siginfo_t* info, void* context) {
  const bool from_outside = info->si_code <= 0 && info->si_pid != getpid();
  if (!from_outside && end_kernel(number, *info, context)) return;
  const struct sigaction& before = handled_before[number];
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
  } else {
    sigaction(number, &before, nullptr);
    if (info->si_code <= 0) pthread_kill(pthread_self(), number);  // a fault happens again by itself
  }
}

void on_tick(int number, siginfo_t* info, void* context) {
  constexpr int most = 2;
  if (info->si_code != SI_TIMER || Watchdog::idle_ticks.fetch_add(1, std::memory_order_relaxed) < most)
    return;
  end_kernel(number, *info, context);
}

// ---- exceptions, which end the program where nothing catches them

[[noreturn]] void on_terminate() {
  if (BlockRunner* const runner = BlockRunner::of_running_kernel()) {
    std::string what = "std::terminate()";
    if (const std::exception_ptr exception = std::current_exception()) {
      what = "an exception, which code for GPUs cannot throw";
      try {
        std::rethrow_exception(exception);
      } catch (const std::exception& error) {
        what += std::string(": ") + error.what();
      } catch (...) {
        what += "; it is not a std::exception";
      }
    }
    runner->fail(calling_line(), std::move(what));  // does not return, so nothing would free `what`
  }
  if (terminated_before != nullptr) terminated_before();
  std::abort();
}

// ---- the stack that signals are handled on: of each OS thread, until it ends

constexpr std::size_t signal_stack_bytes = std::size_t{64} << 10;

void drop_signal_stack(void* memory) {
  stack_t now{};
  if (sigaltstack(nullptr, &now) != 0 || now.ss_sp != memory) return;
  now.ss_flags = SS_DISABLE;
  sigaltstack(&now, nullptr);
  munmap(memory, signal_stack_bytes);
}

void give_signal_stack() {
  static const pthread_key_t key = [] {
    pthread_key_t created{};
    pthread_key_create(&created, &drop_signal_stack);
    return created;
  }();
  if (pthread_getspecific(key) != nullptr) return;
  stack_t now{};
  sigaltstack(nullptr, &now);
  if ((now.ss_flags & SS_DISABLE) == 0) return;  // the thread has one, which is not ours to drop
  now = {.ss_sp = mmap(nullptr, signal_stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
         .ss_flags = 0,
         .ss_size = signal_stack_bytes};
  if (now.ss_sp == MAP_FAILED) return;
  sigaltstack(&now, nullptr);
  pthread_setspecific(key, now.ss_sp);
}

void install_handlers() {
  struct sigaction action{};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int number : caught) sigaction(number, &action, &handled_before[number]);
  terminated_before = std::set_terminate(&on_terminate);
}

}  // namespace

Watchdog::Watchdog(bool wanted) {
  if (!wanted) return;
  static const bool installed = [] {
    struct sigaction action{};
    action.sa_sigaction = &on_tick;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    return sigaction(SIGVTALRM, &action, nullptr) == 0;
  }();
  struct sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGVTALRM;
  event._sigev_un._tid = gettid();
  armed_ = installed && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) == 0;
  if (!armed_) return;
  come_to_code();
  const timespec tick{.tv_sec = tick_milliseconds / 1000, .tv_nsec = tick_milliseconds % 1000 * 1'000'000L};
  const itimerspec ticks{.it_interval = tick, .it_value = tick};
  timer_settime(timer_, 0, &ticks, nullptr);
}
Watchdog::~Watchdog() {
  if (armed_) timer_delete(timer_);
}

Location calling_line() {
  Watchdog::sleep();
  Frames frames;
  _Unwind_Backtrace(add_frame, &frames);
  return source_line(frames.all());
}

void catch_faults() {
  static const bool installed = (install_handlers(), true);
  static_cast<void>(installed);
  give_signal_stack();
}

}  // namespace cuelbo::simt
