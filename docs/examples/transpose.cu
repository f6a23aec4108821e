// The transpose of a square matrix: compile with nvcc and run, or profile without a GPU (docs/profile.md).
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

const int TILE = 32;

__global__ void naive(float* out, const float* in, int n) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x < n && y < n)
    out[x * n + y] = in[y * n + x];
}

// Through shared memory: both loads and stores are coalesced. PITCH 33 instead of 32 keeps a column out of one bank.
template <int PITCH>
__global__ void tiled(float* out, const float* in, int n) {
  __shared__ float tile[TILE][PITCH];
  int x = blockIdx.x * TILE + threadIdx.x;
  int y = blockIdx.y * TILE + threadIdx.y;
  if (x < n && y < n)
    tile[threadIdx.y][threadIdx.x] = in[y * n + x];
  __syncthreads();
  x = blockIdx.y * TILE + threadIdx.x;
  y = blockIdx.x * TILE + threadIdx.y;
  if (x < n && y < n)
    out[y * n + x] = tile[threadIdx.x][threadIdx.y];
}

int main() {
  const int n = 1024;
  const size_t bytes = n * n * sizeof(float);
  float* host = (float*)malloc(bytes);
  for (int i = 0; i < n * n; i++) host[i] = i;
  float *in, *out;
  cudaMalloc(&in, bytes);
  cudaMalloc(&out, bytes);
  cudaMemcpy(in, host, bytes, cudaMemcpyHostToDevice);
  dim3 block(TILE, TILE), grid(n / TILE, n / TILE);
  naive<<<grid, block>>>(out, in, n);
  tiled<TILE + 1><<<grid, block>>>(out, in, n);
  cudaMemcpy(host, out, bytes, cudaMemcpyDeviceToHost);
  printf("out[1] = %g, %d is right\n", host[1], n);
  cudaFree(in);
  cudaFree(out);
  free(host);
}
