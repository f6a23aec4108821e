// The parts of kernel contracts. A contract is a plain struct of shapes and pointers, the same for all devices.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuelbo::kernels {

// Where a kernel runs: a ThreadPool* on the CPU, a cudaStream_t on CUDA.
struct Stream {
  void* handle = nullptr;
  void* libraries = nullptr;  // of CUDA, for variants that call one: kernels/runtime/libraries.hpp
};

// Compulsory work of one call: every operand moved once, every multiply-add counted as two operations. Functions that a GPU
// has an instruction for in its special-function units (exp2, log2, sin, cos, 1/x, 1/√x, tanh) are counted apart.
struct Cost {
  double bytes = 0;
  double flops = 0;
  double special = 0;

  // The total for a processor without such units, where a function takes about as long as 8 operations.
  double operations() const { return flops + 8 * special; }
};

// The type that the operands of products are rounded to, to nearest; sums are fp32. Programs use fp32 kernels unless
// another precision is asked for.
enum class Precision : std::uint8_t { fp32, tf32, bf16 };

// One entry of a device's kernel table. `workspace` tells how many bytes args.workspace must point to (64-byte aligned);
// it looks at shapes only, never at pointers. Null means none.
template <class Args>
struct Kernel {
  void (*launch)(const Args&, Stream) = nullptr;
  std::size_t (*workspace)(const Args&) = nullptr;
  // Global memory that the accesses of a CUDA kernel touch, loads and stores, in closed form of its tiling: the 32-byte
  // sectors of each warp's requests, as the source says them and as if there were no cache. It looks at sizes and at which
  // operands there are; it holds where rows are whole sectors and aligned. Null: not declared.
  std::int64_t (*moved_bytes)(const Args&) = nullptr;
  // For calls whose weight stays the same: `prepare` computes once what every call would compute from it, and writes
  // that to `prepared`, of prepared_bytes (64-byte aligned; looks at shapes only). args.prepared then points to it, and
  // calls do not read the weight. Null, or 0 bytes: there is nothing to prepare.
  std::size_t (*prepared_bytes)(const Args&) = nullptr;
  void (*prepare)(const Args&, void* prepared, Stream) = nullptr;
};

// The values that change from step to step, in device memory: kernels that make noise read them when they run, so one
// recorded program serves all steps.
struct StepCounter {
  std::uint64_t seed = 0;  // Philox key
  std::uint64_t step = 0;  // part of the Philox counter
};

enum class Activation : std::int32_t { identity, relu, leaky_relu, tanh, sigmoid };

// Slope of leaky_relu for negative input (torch's default).
inline constexpr float leaky_relu_slope = 0.01F;

}  // namespace cuelbo::kernels
