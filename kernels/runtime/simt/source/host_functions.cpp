// Functions of the C library that a user's kernel must not call, or that mean something else on a GPU. They stand in front of
// the library's in the module of a user's file, and of no other.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "kernels/runtime/simt/faults.hpp"

namespace cuelbo::simt {

namespace {

[[noreturn]] void exit_with(const char* name, int code) {
  if (BlockRunner* const runner = BlockRunner::of_running_kernel())
    runner->fail(calling_line(), std::string(name) + "(), which is a function of the host");
  reinterpret_cast<void (*)(int)>(dlsym(RTLD_NEXT, name))(code);
  std::abort();
}

}  // namespace

}  // namespace cuelbo::simt

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the library's
extern "C" {

void exit(int status) noexcept { cuelbo::simt::exit_with("exit", status); }
void _exit(int status) { cuelbo::simt::exit_with("_exit", status); }
void _Exit(int status) noexcept { cuelbo::simt::exit_with("_Exit", status); }
void quick_exit(int status) noexcept { cuelbo::simt::exit_with("quick_exit", status); }

[[noreturn]] void __assert_fail(const char* expression, const char* file, unsigned line,
                                const char* function) noexcept {
  using namespace cuelbo::simt;
  if (BlockRunner* const runner = BlockRunner::of_running_kernel())
    runner->fail({file, static_cast<int>(line)},
                 "the assertion '" + std::string(expression) + "' does not hold");
  using Fail = void (*)(const char*, const char*, unsigned, const char*);
  reinterpret_cast<Fail>(dlsym(RTLD_NEXT, "__assert_fail"))(expression, file, line, function);
  std::abort();
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
