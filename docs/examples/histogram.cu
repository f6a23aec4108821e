// Counts of bytes: compile with nvcc and run, or profile without a GPU (docs/profile.md).
#include <stdio.h>

#define BINS 256

__global__ void global_atomics(unsigned* counts, const unsigned char* data, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&counts[data[i]], 1);
}

// A histogram for each block in shared memory, added to the whole at the end.
__global__ void shared_atomics(unsigned* counts, const unsigned char* data, int n) {
  extern __shared__ unsigned local[];
  for (int b = threadIdx.x; b < BINS; b += blockDim.x)
    local[b] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[data[i]], 1);
  __syncthreads();
  for (int b = threadIdx.x; b < BINS; b += blockDim.x)
    atomicAdd(&counts[b], local[b]);
}

int main() {
  const int n = 1 << 20;
  static unsigned char host[n];
  for (int i = 0; i < n; i++) host[i] = i * i >> 3;
  unsigned char* data;
  unsigned *counts, result[BINS], sum = 0;
  cudaMalloc(&data, n);
  cudaMalloc(&counts, BINS * sizeof(unsigned));
  cudaMemcpy(data, host, n, cudaMemcpyHostToDevice);
  cudaMemset(counts, 0, BINS * sizeof(unsigned));
  global_atomics<<<64, 256>>>(counts, data, n);
  shared_atomics<<<64, 256, BINS * sizeof(unsigned)>>>(counts, data, n);
  cudaMemcpy(result, counts, sizeof result, cudaMemcpyDeviceToHost);
  for (int b = 0; b < BINS; b++) sum += result[b];
  printf("%u counted, %d are right\n", sum, 2 * n);
}
