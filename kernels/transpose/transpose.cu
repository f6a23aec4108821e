// naive   One thread per element: a warp reads 32 neighbours, but writes 32 rows of y, a sector of 32 bytes for each.
// tiled   A block reads a tile of 32×32 into shared memory and writes it transposed: both sides move whole rows. Rows of the tile
//         are 33 floats long, so that the lanes of a warp that read a column use 32 different banks.
#include "kernels/transpose/transpose.hpp"

#include <algorithm>

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr int tile = 32, tile_rows = 8;  // a thread moves tile / tile_rows elements

// Blocks of a grid: columns across, rows down, matrices. More than 1024 of rows or matrices are walked over in loops: enough blocks to
// fill a GPU, and gridDim.z may not be above 65535.
dim3 grid(const Transpose& a) {
  constexpr std::int64_t most = 1024;
  return {static_cast<unsigned>(divide_up<std::int64_t>(a.columns, tile)),
          static_cast<unsigned>(std::min(divide_up<std::int64_t>(a.rows, tile), most)),
          static_cast<unsigned>(std::min(a.batch, most))};
}

__global__ void transpose_naive(Transpose a) {
  const std::int64_t c = blockIdx.x * tile + threadIdx.x;
  if (c >= a.columns) return;
  for (std::int64_t b = blockIdx.z; b < a.batch; b += gridDim.z)
    for (std::int64_t r = blockIdx.y * tile_rows + threadIdx.y; r < a.rows; r += gridDim.y * tile_rows)
      a.y[(b * a.columns + c) * a.rows + r] = a.x[(b * a.rows + r) * a.columns + c];
}

__global__ void transpose_tiled(Transpose a) {
  __shared__ float values[tile][tile + 1];
  const std::int64_t c0 = blockIdx.x * tile;
  const int x = static_cast<int>(threadIdx.x);
  for (std::int64_t b = blockIdx.z; b < a.batch; b += gridDim.z) {
    const std::int64_t matrix = b * a.rows * a.columns;
    for (std::int64_t r0 = blockIdx.y * tile; r0 < a.rows; r0 += gridDim.y * tile) {
      for (int y = static_cast<int>(threadIdx.y); y < tile; y += tile_rows)
        if (r0 + y < a.rows && c0 + x < a.columns) values[y][x] = a.x[matrix + (r0 + y) * a.columns + c0 + x];
      __syncthreads();
      for (int y = static_cast<int>(threadIdx.y); y < tile; y += tile_rows)
        if (c0 + y < a.columns && r0 + x < a.rows) a.y[matrix + (c0 + y) * a.rows + r0 + x] = values[x][y];
      __syncthreads();
    }
  }
}

template <void (*kernel)(Transpose)>
void launch_transpose(const Transpose& a, Stream stream) {
  if (a.batch == 0 || a.rows == 0 || a.columns == 0) return;
  launch(kernel, grid(a), {tile, tile_rows}, 0, stream, a);
}

}  // namespace

Variants<Transpose> transpose_variants() {
  static constexpr Variant<Transpose> variants[] = {
      {"naive", "one thread per element; writes are scattered", {launch_transpose<transpose_naive>}},
      {"tiled",
       "tiles of 32×32 in shared memory, so that reads and writes are whole rows",
       {launch_transpose<transpose_tiled>}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
