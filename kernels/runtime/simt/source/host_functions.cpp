// Functions of the C library that a kernel must not call, or that mean something else on a GPU. In the module of a user's file,
// and in no other, they replace the library's.
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <string>

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include "kernels/runtime/simt/faults.hpp"

namespace cuelbo::simt {

namespace {

void refuse_in_kernels(const char* name) {
  if (BlockRunner* const runner = BlockRunner::of_running_kernel())
    runner->fail(calling_line(), std::string(name) + "(), which is a function of the host");
}

template <class Function>
Function* of_the_library(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

}  // namespace cuelbo::simt

// NOLINTBEGIN(bugprone-reserved-identifier,bugprone-macro-parentheses): the names are the library's, types and parameter lists
#define HOST_FUNCTION(Result, name, parameters, arguments, exceptions)       \
  Result name parameters exceptions {                                        \
    cuelbo::simt::refuse_in_kernels(#name);                                  \
    return cuelbo::simt::of_the_library<Result parameters>(#name) arguments; \
  }
// Declared to end by the library's headers.
#define HOST_FUNCTION_THAT_ENDS(name, parameters, arguments, exceptions) \
  void name parameters exceptions {                                      \
    cuelbo::simt::refuse_in_kernels(#name);                              \
    cuelbo::simt::of_the_library<void parameters>(#name) arguments;      \
    std::abort();                                                        \
  }
extern "C" {

HOST_FUNCTION_THAT_ENDS(exit, (int status), (status), noexcept)
HOST_FUNCTION_THAT_ENDS(_exit, (int status), (status), )
HOST_FUNCTION_THAT_ENDS(_Exit, (int status), (status), noexcept)
HOST_FUNCTION_THAT_ENDS(quick_exit, (int status), (status), noexcept)
HOST_FUNCTION_THAT_ENDS(pthread_exit, (void* value), (value), )
HOST_FUNCTION_THAT_ENDS(longjmp, (jmp_buf to, int value), (to, value), noexcept)
HOST_FUNCTION_THAT_ENDS(_longjmp, (jmp_buf to, int value), (to, value), noexcept)
HOST_FUNCTION_THAT_ENDS(siglongjmp, (sigjmp_buf to, int value), (to, value), noexcept)

HOST_FUNCTION(int, raise, (int number), (number), noexcept)
HOST_FUNCTION(int, kill, (pid_t process, int number), (process, number), noexcept)
HOST_FUNCTION(int, system, (const char* command), (command), )
HOST_FUNCTION(pid_t, fork, (), (), noexcept)
HOST_FUNCTION(int, execv, (const char* file, char* const arguments[]), (file, arguments), noexcept)
HOST_FUNCTION(int, execvp, (const char* file, char* const arguments[]), (file, arguments), noexcept)

[[noreturn]] void __assert_fail(const char* expression, const char* file, unsigned line,
                                const char* function) noexcept {
  using namespace cuelbo::simt;
  if (BlockRunner* const runner = BlockRunner::of_running_kernel())
    runner->fail({file, static_cast<int>(line)},
                 "the assertion '" + std::string(expression) + "' does not hold");
  of_the_library<void(const char*, const char*, unsigned, const char*)>("__assert_fail")(expression, file,
                                                                                         line, function);
  std::abort();
}

}  // extern "C"
#undef HOST_FUNCTION
#undef HOST_FUNCTION_THAT_ENDS
// NOLINTEND(bugprone-reserved-identifier,bugprone-macro-parentheses)
