// Kernels that end a program on a CPU, one thread each: with x at its place. Compiled for the runtime as it is and for the
// checked one.
#pragma once

#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "kernels/runtime/cuda.hpp"
#include "tests/support/paths.hpp"

// The code faults on purpose, so UndefinedBehaviorSanitizer must not stop it first.
#define CUELBO_FAULTS __attribute__((no_sanitize("undefined")))

namespace cuelbo::kernels {

__device__ inline unsigned place() {
  const unsigned thread = threadIdx.x + blockDim.x * threadIdx.y;
  return thread + blockDim.x * blockDim.y * (blockIdx.x + gridDim.x * blockIdx.y);
}

CUELBO_FAULTS __global__ inline void divide(int* x) {
  __syncthreads();
  x[place()] = 100 / x[place()];  // divides
}
CUELBO_FAULTS __global__ inline void modulo(int* x) {
  auto* const as_unsigned = reinterpret_cast<unsigned*>(x);
  as_unsigned[place()] = 100 % as_unsigned[place()];  // takes the rest
}
CUELBO_FAULTS __global__ inline void divide_smallest(int* x) {
  x[place()] = INT_MIN / x[place()];  // divides the smallest
}
CUELBO_FAULTS __global__ inline void divide_smallest_long(int* x) {
  x[place()] = static_cast<int>(LLONG_MIN % static_cast<long long>(x[place()]));  // divides the smallest long
}
[[gnu::noinline]] __device__ inline int deeper(volatile int* x, int depth) {
  volatile int here[64];
  here[depth % 64] = depth;
  if (*x == 1) return depth;
  return deeper(x, depth + 1) + here[depth % 64];
}
CUELBO_FAULTS __global__ inline void recurse(int* x) { x[place()] = deeper(x + place(), 0); }
[[gnu::noinline]] __device__ inline int large(volatile const int* x) {
  volatile char large[1 << 21];
  large[*x] = 1;
  return large[*x + 1];
}
CUELBO_FAULTS __global__ inline void use_large_array(int* x) {
  if (x[place()] != 1) x[place()] = large(x + place());  // calls for 2 MiB
}
CUELBO_FAULTS __global__ inline void trap(int* x) {
  if (x[place()] != 1) __builtin_trap();  // traps
}
CUELBO_FAULTS __global__ inline void call_abort(int* x) {
  if (x[place()] != 1) std::abort();  // aborts
}
CUELBO_FAULTS __global__ inline void raise_a_fault(int* x) {
  if (x[place()] != 1) std::raise(SIGSEGV);  // raises
}
CUELBO_FAULTS __global__ inline void throw_something(int* x) {
  if (x[place()] != 1) throw std::runtime_error("by a kernel");  // throws
}
inline __device__ void (*volatile no_function)() = nullptr;
CUELBO_FAULTS __global__ inline void call_nothing(int* x) {
  if (x[place()] != 1) {
    no_function();  // calls nothing
    x[place()] = 2;
  }
}

struct FaultCase {
  const char* name;
  void (*kernel)(int*);
  int x;             // at the thread's place; elsewhere 1
  const char* mark;  // at the end of the line; empty: the compiler decides which line it is
  const char* text;
};
inline const std::array fault_cases{
    FaultCase{"Divide", divide, 0, "divides",
              "integer division by zero; a GPU does not stop here, its result is unspecified"},
    FaultCase{"Modulo", modulo, 0, "takes the rest", "integer division by zero"},
    FaultCase{"DivideSmallest", divide_smallest, -1, "divides the smallest",
              "integer division of the smallest number by -1"},
    FaultCase{"DivideSmallestLong", divide_smallest_long, -1, "divides the smallest long",
              "integer division of the smallest number by -1"},
    FaultCase{"Recurse", recurse, 0, "", "the thread's stack of 1024 KiB is used up: by recursion"},
    FaultCase{"UseLargeArray", use_large_array, 0, "", "the thread's stack of 1024 KiB is used up"},
    FaultCase{"Trap", trap, 0, "traps", "a trap"},
    FaultCase{"CallAbort", call_abort, 0, "aborts", "abort()"},
    FaultCase{"RaiseAFault", raise_a_fault, 0, "raises", "raise(SIGSEGV), which is a function of the host"},
    FaultCase{"ThrowSomething", throw_something, 0, "throws",
              "an exception, which code for GPUs cannot throw: by a kernel"},
    FaultCase{"CallNothing", call_nothing, 0, "calls nothing", "a jump to address 0, where no code is"},
};

// "faulting_kernels.hpp:12" of the line that ends with the comment `mark`.
inline std::string line_of_fault(const std::string& mark) {
  std::ifstream in(test::source_directory() + "/tests/kernels/simt/faulting_kernels.hpp");
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with("// " + mark)) return "faulting_kernels.hpp:" + std::to_string(number);
  }
  return "no line marked " + mark;
}

// The order of threads decides how they reach a fault, not its outcome, so only a part of the cases tries the others.
inline std::vector<FaultCase> cases_for(simt::ThreadOrder order) {
  std::vector<FaultCase> cases;
  for (std::size_t i = 0; i < fault_cases.size(); ++i)
    if (order == simt::ThreadOrder::forward || i % 4 == 0) cases.push_back(fault_cases[i]);
  return cases;
}

// Runs the kernel on 3×2 blocks of 8×4 threads; thread (3, 2) of block (1, 1) finds x.
inline std::string finding_of(const FaultCase& fault) {
  std::vector<int> values(6 * 32, 1);
  values[4 * 32 + 2 * 8 + 3] = fault.x;
  int* x = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&x), values.size() * sizeof(int));
  cudaMemcpy(x, values.data(), values.size() * sizeof(int), cudaMemcpyHostToDevice);
  launch(fault.kernel, dim3(3, 2), dim3(8, 4), 0, {}, x);
  const auto finding = simt::take_finding();
  cudaFree(x);
  return finding ? to_string(*finding) : "nothing";
}

inline auto is_found(const FaultCase& fault) {
  return testing::AllOf(
      testing::HasSubstr(*fault.mark == 0 ? "faulting_kernels.hpp:" : line_of_fault(fault.mark) + ":"),
      testing::HasSubstr("block (1, 1, 0), thread (3, 2, 0): "), testing::HasSubstr(fault.text));
}

}  // namespace cuelbo::kernels
