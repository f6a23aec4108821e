// ldmatrix and mma.sync with the lane layouts of the PTX ISA.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/runtime/simt/block.hpp"

namespace cuelbo::simt {

// Whether all 32 lanes take part; if not, every lane that does complains.
inline bool whole_warp(WarpCall* const lanes[warp_size]) {
  bool whole = true;
  for (int lane = 0; lane < warp_size; ++lane) whole = whole && lanes[lane] != nullptr;
  for (int lane = 0; lane < warp_size && !whole; ++lane)
    if (lanes[lane] != nullptr)
      lanes[lane]->complaint = "a tensor-core instruction without all lanes of the warp";
  return whole;
}

struct LoadMatrices {
  const void* row = nullptr;
  std::uint32_t r[4] = {};
};

template <int count, bool transposed>
void perform_load_matrices(WarpCall* const lanes[warp_size], unsigned) {
  if (!whole_warp(lanes)) return;
  const auto of = [&](int lane) { return static_cast<LoadMatrices*>(lanes[lane]->operands); };
  std::uint16_t matrices[count][8][8];
  for (int lane = 0; lane < 8 * count; ++lane) {
    if (reinterpret_cast<std::uintptr_t>(of(lane)->row) % 16 != 0)
      lanes[lane]->complaint = "ldmatrix from an address that is not a multiple of 16";
    std::memcpy(matrices[lane / 8][lane % 8], of(lane)->row, 16);
  }
  for (int lane = 0; lane < warp_size; ++lane)
    for (int m = 0; m < count; ++m) {
      const int major = lane / 4, minor = 2 * (lane % 4);
      const std::uint32_t low = transposed ? matrices[m][minor][major] : matrices[m][major][minor];
      const std::uint32_t high = transposed ? matrices[m][minor + 1][major] : matrices[m][major][minor + 1];
      of(lane)->r[m] = low | high << 16;
    }
}

template <int count, bool transposed>
CUELBO_NOT_OBSERVED void load_matrices(std::uint32_t (&r)[count], const void* row,
                                       Location where = {__builtin_FILE(), __builtin_LINE()}) {
  BlockRunner& block = BlockRunner::current();
  if (observer != nullptr && block.lane() < 8 * count) observer->read(row, 16, __builtin_return_address(0));
  LoadMatrices operands{.row = row};
  WarpCall call{.mask = ~0U,
                .perform = &perform_load_matrices<count, transposed>,
                .operands = &operands,
                .where = where};
  block.warp_operation(call);
  for (int m = 0; m < count; ++m) r[m] = operands.r[m];
}

struct Multiply {
  float* d = nullptr;
  const std::uint32_t* a = nullptr;
  const std::uint32_t* b = nullptr;
};

// Products are exact in fp32 (8 or 11 significant bits each) and added in the order of k.
template <int depth, class Element>
void perform_multiply(WarpCall* const lanes[warp_size], Element&& element) {
  if (!whole_warp(lanes)) return;
  const auto of = [&](int lane) -> const Multiply& { return *static_cast<Multiply*>(lanes[lane]->operands); };
  float a[16][depth], b[depth][8];
  element(of, a, b);
  for (int lane = 0; lane < warp_size; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      float sum = of(lane).d[i];
      for (int k = 0; k < depth; ++k) sum += a[row][k] * b[k][column];
      of(lane).d[i] = sum;
    }
}

inline void perform_multiply_bf16(WarpCall* const lanes[warp_size], unsigned) {
  const auto half = [](std::uint32_t pair, int i) {
    return std::bit_cast<float>(i == 0 ? pair << 16 : pair & 0xffff0000U);
  };
  perform_multiply<16>(lanes, [&](const auto& of, auto& a, auto& b) {
    for (int lane = 0; lane < warp_size; ++lane)
      for (int i = 0; i < 2; ++i) {
        const int group = lane / 4, k = 2 * (lane % 4) + i;
        for (int r = 0; r < 4; ++r) a[group + 8 * (r % 2)][k + 8 * (r / 2)] = half(of(lane).a[r], i);
        for (int r = 0; r < 2; ++r) b[k + 8 * r][group] = half(of(lane).b[r], i);
      }
  });
}

inline void perform_multiply_tf32(WarpCall* const lanes[warp_size], unsigned) {
  const auto truncated = [](std::uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000U); };
  perform_multiply<8>(lanes, [&](const auto& of, auto& a, auto& b) {
    for (int lane = 0; lane < warp_size; ++lane) {
      const int group = lane / 4, k = lane % 4;
      for (int r = 0; r < 4; ++r) a[group + 8 * (r % 2)][k + 4 * (r / 2)] = truncated(of(lane).a[r]);
      for (int r = 0; r < 2; ++r) b[k + 4 * r][group] = truncated(of(lane).b[r]);
    }
  });
}

inline void multiply_matrices(WarpCall::Perform perform, float* d, const std::uint32_t* a,
                              const std::uint32_t* b, Location where) {
  Multiply operands{.d = d, .a = a, .b = b};
  WarpCall call{.mask = ~0U, .perform = perform, .operands = &operands, .where = where};
  BlockRunner::current().warp_operation(call);
}
inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                          Location where = {__builtin_FILE(), __builtin_LINE()}) {
  multiply_matrices(&perform_multiply_bf16, d, a, b, where);
}
inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                          Location where = {__builtin_FILE(), __builtin_LINE()}) {
  multiply_matrices(&perform_multiply_tf32, d, a, b, where);
}

}  // namespace cuelbo::simt
