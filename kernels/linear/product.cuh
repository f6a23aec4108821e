// Matrix products Σ_k A(m, k) · B(n, k) that linear and conv2d are made of: what is multiplied and where the result
// goes. How it is multiplied is up to the tiles (gemm_tile.cuh, tensor_tile.cuh). The matrices may be implicit: an
// operand knows the place of each element.
//
// An operand has
//   Element   the type of its elements
//   width     how many neighbours one access takes: 1, or 16 bytes where memory allows
//   along_k   whether neighbours lie along k or along the outer index (m of A, n of B)
//   line(o)   what all elements of outer index o share, made once a thread
//   address(line, k)   of the pack that begins at (o, k); null outside the matrix, where elements are zeros
//   base()    any valid address
// A problem has extents m, n, k, operands a and b, and output.store(slice, m, n, pack).
#pragma once

#include "kernels/activation/activation.cuh"
#include "kernels/runtime/elementwise.cuh"

namespace cuelbo::kernels::cuda {

// A factor as it is stored: rows `stride` elements apart.
template <class T>
struct Factor {
  const T* p;
  std::int64_t stride;
};

// A stored matrix: element (o, k) is p[o · stride + k] if along_k, else p[k · stride + o].
template <bool along_k_, int width_, class T = float>
struct Matrix {
  using Element = T;
  static constexpr bool along_k = along_k_;
  static constexpr int width = width_;
  const T* p;
  int outer, depth;
  std::int64_t stride;

  using Line = const T*;
  __device__ Line line(int o) const { return o >= outer ? nullptr : along_k ? p + o * stride : p + o; }
  __device__ const T* address(Line line, int k) const {
    return line == nullptr || k >= depth ? nullptr : line + (along_k ? k : k * stride);
  }
  __device__ const T* base() const { return p; }
};

template <class Operand>
__device__ inline Pack<Operand::width> load_or_zeros(const Operand& operand,
                                                     const typename Operand::Line& line, int k) {
  const float* const address = operand.address(line, k);
  return address == nullptr ? Pack<Operand::width>{} : load<Operand::width>(address);
}

// activate() and derivative_from_output() for a tile's outputs. Rectifiers are inlined. Others are called: a thread finishes up
// to 64 outputs, and nvcc took minutes over as many copies of tanh.
#if !defined(CUELBO_SIMT)
__noinline__
#endif
    __device__ inline float
    called_activate(Activation activation, float x) {
  return activate(activation, x);
}

__device__ inline float finish(Activation activation, float x) {
  if (activation == Activation::identity) return x;
  return activation == Activation::relu ? activate(Activation::relu, x) : called_activate(activation, x);
}

// y = activation(sum + bias) ⊙ gradient_activation'(saved)
struct Epilogue {
  const float* bias;  // by column, or null
  Activation activation, gradient_activation;
  const float* saved;  // laid out like y; not read if gradient_activation is identity

  // Neighbouring columns; a pack's operands are aligned as it is.
  template <int width>
  __device__ Pack<width> operator()(Pack<width> y, std::int64_t index, std::int64_t column) const {
    if (bias != nullptr) {
      const auto b = load<width>(bias + column);
#pragma unroll
      for (int j = 0; j < width; ++j) y[j] += b[j];
    }
#pragma unroll
    for (int j = 0; j < width; ++j) y[j] = finish(activation, y[j]);
    if (gradient_activation != Activation::identity) {
      const auto s = load<width>(saved + index);
#pragma unroll
      for (int j = 0; j < width; ++j) y[j] *= derivative_from_output(gradient_activation, s[j]);
    }
    return y;
  }
  __device__ float operator()(float sum, std::int64_t index, std::int64_t column) const {
    return (*this)(Pack<1>{sum}, index, column)[0];
  }
};

// y[index … ] = finished pack, of which the columns below `columns` exist.
template <int width>
__device__ inline void store_finished(float* y, const Epilogue& epilogue, bool packs, std::int64_t index,
                                      int column, int columns, const Pack<width>& sum) {
  if (packs && column + width <= columns) {
    store(y + index, epilogue(sum, index, column));
  } else {
#pragma unroll
    for (int j = 0; j < width; ++j)
      if (column + j < columns) y[index + j] = epilogue(sum[j], index + j, column + j);
  }
}

// A row-major matrix; slices of k go one after another.
struct RowMajor {
  float* y;
  int rows, columns;
  bool packs;  // every fourth element of a run is aligned to 16 bytes, the epilogue's operands' too
  Epilogue epilogue;

  std::int64_t count() const { return std::int64_t{rows} * columns; }
  int run() const { return columns; }  // columns that are stored one after another
  template <int width>
  __device__ void store(int slice, int row, int column, const Pack<width>& sum) const {
    if (row >= rows) return;
    const std::int64_t size = std::int64_t{rows} * columns, index = std::int64_t{row} * columns + column;
    store_finished(y + slice * size, epilogue, packs, index, column, columns, sum);
  }
};

inline bool packs_fit(const float* y, std::int64_t columns, const Epilogue& epilogue) {
  return columns % 4 == 0 && all_aligned_to_16(y, epilogue.bias, epilogue.saved);
}

template <class A, class B, class Output = RowMajor>
struct Product {
  int m, n, k;
  A a;
  B b;
  Output output;
  __device__ const Product& part(unsigned) const { return *this; }
};

// ---- slices of k

// k is cut into slices where an output has too few tiles to fill a device. The cut depends on the shape only, so that
// sums do not depend on the device.
struct Slices {
  int count, depth;
};
template <class T>
Slices slices_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t enough_blocks = 256, least_depth = 64;
  const std::int64_t tiles = divide_up<std::int64_t>(m, T::m) * divide_up<std::int64_t>(n, T::n);
  std::int64_t count = divide_up(enough_blocks, tiles < 1 ? 1 : tiles);
  if (count > k / least_depth) count = k / least_depth;
  if (count < 2) return {1, static_cast<int>(k)};
  const std::int64_t depth = divide_up(k, count * T::k) * T::k;
  return {static_cast<int>(divide_up(k, depth)), static_cast<int>(depth)};
}

struct SumSlices {
  const float* partial;  // (slices, count)
  std::int64_t count;
  int slices, columns;
  float* y;
  Epilogue epilogue;

  template <int>
  __device__ void at(std::int64_t i) const {
    float sum = 0;
    for (int s = 0; s < slices; ++s) sum += partial[s * count + i];
    y[i] = epilogue(sum, i, i % columns);
  }
};

inline std::size_t slices_workspace(Slices slices, std::int64_t m, std::int64_t n) {
  return slices.count == 1 ? 0 : sizeof(float) * static_cast<std::size_t>(slices.count * m * n);
}

// A product by tiles T, its slices by way of the workspace.
template <class T, class A, class B, class Output>
void launch_sliced(Product<A, B, Output> product, Slices slices, void* workspace, Stream stream) {
  const Output output = product.output;
  if (slices.count > 1) {
    product.output.y = static_cast<float*>(workspace);
    product.output.epilogue = {};
    product.output.packs = packs_fit(product.output.y, output.run(), {});
  }
  launch_tiles(T{}, product, product.m, product.n, slices, 1, stream);
  if (slices.count == 1) return;
  launch_for_each_element<1>(output.count(),
                             SumSlices{.partial = product.output.y,
                                       .count = output.count(),
                                       .slices = slices.count,
                                       .columns = output.columns,
                                       .y = output.y,
                                       .epilogue = output.epilogue},
                             stream);
}

// Rows, columns and depths are ints inside kernels.
template <class... Extents>
bool fit_int(Extents... extents) {
  return ((extents < (std::int64_t{1} << 30)) && ...);
}

}  // namespace cuelbo::kernels::cuda
