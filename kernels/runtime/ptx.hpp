// The PTX instructions that CUDA C++ has no function for, each once as assembly and once emulated for the SIMT runtime.
// Lane layouts: PTX ISA 9.0, "Matrix Fragments for mma.m16n8k16" and "ldmatrix".
#pragma once

#include "kernels/runtime/cuda.hpp"

#if defined(CUELBO_SIMT)
#include "kernels/runtime/simt/matrix.hpp"
#endif

namespace cuelbo::kernels::ptx {

#if !defined(CUELBO_SIMT)
__device__ inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}
#endif

// ---- asynchronous copies from global to shared memory

// 16 bytes, the first `filled` of them copied and the rest zero; both addresses aligned to 16. Bypasses L1.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, unsigned filled = 16) {
#if defined(CUELBO_SIMT)
  simt::BlockRunner::current().copy_async({.to = shared, .from = global, .bytes = 16, .filled = filled});
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(filled)
               : "memory");
#endif
}

// 4 bytes, for operands that are aligned no better.
__device__ __forceinline__ void cp_async_4(void* shared, const void* global, unsigned filled = 4) {
#if defined(CUELBO_SIMT)
  simt::BlockRunner::current().copy_async({.to = shared, .from = global, .bytes = 4, .filled = filled});
#else
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(filled)
               : "memory");
#endif
}

// Ends a group of copies of this thread.
__device__ __forceinline__ void cp_async_commit() {
#if defined(CUELBO_SIMT)
  simt::BlockRunner::current().commit_async_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's groups, all but the newest `groups_left`. Other threads see the copies after a barrier.
template <int groups_left>
__device__ __forceinline__ void cp_async_wait() {
#if defined(CUELBO_SIMT)
  simt::BlockRunner::current().wait_async_copies(groups_left);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(groups_left) : "memory");
#endif
}

// ---- tensor cores; every lane of the warp takes part

// Four 8×8 matrices of 16-bit elements from shared memory: lane l names row l % 8 of matrix l / 8 (16 bytes, aligned) and
// receives of each matrix the elements 2·(l % 4), + 1 of row l / 4.
__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
#if defined(CUELBO_SIMT)
  simt::load_matrices<4, false>(r, row);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// The same, each matrix transposed: elements (2·(l % 4), l / 4) and (2·(l % 4) + 1, l / 4).
__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
#if defined(CUELBO_SIMT)
  simt::load_matrices<4, true>(r, row);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// d (16×8 fp32) += a (16×16 bf16, rows) · b (16×8 bf16, columns). Registers hold pairs; the lower half is the first.
__device__ inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(CUELBO_SIMT)
  simt::multiply_bf16(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// d (16×8 fp32) += a (16×8 tf32, rows) · b (8×8 tf32, columns). The lower 13 bits of operands are ignored.
__device__ inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if defined(CUELBO_SIMT)
  simt::multiply_tf32(d, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, "
      "%1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// Rounded to tf32: to nearest, ties away from zero.
__device__ inline std::uint32_t to_tf32(float x) {
#if defined(CUELBO_SIMT)
  return (__float_as_uint(x) + 0x1000U) & 0xffffe000U;
#else
  std::uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#endif
}

// ---- special functions: one instruction, relative error 2⁻²² or so

__device__ inline float exp2_approx(float x) {
#if defined(CUELBO_SIMT)
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

__device__ inline float log2_approx(float x) {
#if defined(CUELBO_SIMT)
  return log2f(x);
#else
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

}  // namespace cuelbo::kernels::ptx
