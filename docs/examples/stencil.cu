// Means over seven neighbours: compile with nvcc and run, or profile without a GPU (docs/profile.md).
#include <cstdio>
#include <vector>

#define RADIUS 3
#define BLOCK 256

__global__ void from_global(float* out, const float* in, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x + RADIUS;
  if (i >= n - RADIUS) return;
  float sum = 0;
  for (int k = -RADIUS; k <= RADIUS; k++)
    sum += in[i + k];
  out[i] = sum / (2 * RADIUS + 1);
}

__global__ void from_shared(float* out, const float* in, int n) {
  __shared__ float tile[BLOCK + 2 * RADIUS];
  int i = blockIdx.x * BLOCK + threadIdx.x + RADIUS;
  int t = threadIdx.x + RADIUS;
  if (i < n)
    tile[t] = in[i];
  if (threadIdx.x < RADIUS) {
    tile[t - RADIUS] = in[i - RADIUS];
    if (i + BLOCK < n)
      tile[t + BLOCK] = in[i + BLOCK];
  }
  __syncthreads();
  if (i >= n - RADIUS) return;
  float sum = 0;
  for (int k = -RADIUS; k <= RADIUS; k++)
    sum += tile[t + k];
  out[i] = sum / (2 * RADIUS + 1);
}

int main() {
  const int n = 4096 * BLOCK + 2 * RADIUS;
  std::vector<float> host(n, 1.0f);
  float *in, *out;
  cudaMalloc(&in, n * sizeof(float));
  cudaMalloc(&out, n * sizeof(float));
  cudaMemcpy(in, host.data(), n * sizeof(float), cudaMemcpyHostToDevice);
  from_global<<<(n + BLOCK - 1) / BLOCK, BLOCK>>>(out, in, n);
  from_shared<<<(n - 2 * RADIUS + BLOCK - 1) / BLOCK, BLOCK>>>(out, in, n);
  cudaMemcpy(host.data(), out, n * sizeof(float), cudaMemcpyDeviceToHost);
  printf("out[100] = %g, 1 is right\n", host[100]);
}
