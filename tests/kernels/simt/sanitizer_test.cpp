// The sanitizers detect faults in kernels that run on the CPU; only in builds with them.
#if defined(__SANITIZE_ADDRESS__)

#include <gtest/gtest.h>

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::kernels {
namespace {

// The index comes from the host, so that the compiler does not see what is wrong.
__global__ void write_global(float* x, int index) { x[index] = 1; }
__global__ void write_static_shared(float* y, int index) {
  __shared__ float tile[32];
  __shared__ float next[32];
  tile[threadIdx.x] = next[threadIdx.x] = 0;
  __syncthreads();  // the access is made on a fiber
  tile[index] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x] + next[threadIdx.x];
}
__global__ void write_dynamic_shared(float* y, int index) {
  auto* const tile = dynamic_shared<float>();
  tile[threadIdx.x] = 0;
  __syncthreads();
  tile[index] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void write_stack(float* y, int index) {
  float values[4] = {};
  __syncthreads();
  values[index % 8] = 1;
  y[threadIdx.x] = values[threadIdx.x % 4];
}
__global__ void read_float4(const float* x, float* y) {
  const auto v = *reinterpret_cast<const float4*>(x);
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

constexpr int threads = 32;

class Sanitizers : public testing::Test {
 protected:
  Sanitizers() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    simt::set_order(simt::ThreadOrder::forward, 0);
    cudaMalloc(reinterpret_cast<void**>(&x_), threads * sizeof(float));
    cudaMemset(x_, 0, threads * sizeof(float));
  }
  ~Sanitizers() override { cudaFree(x_); }

  float* x_ = nullptr;
};
using SanitizersDeathTest = Sanitizers;

template <class... Arguments>
void run(void (*kernel)(Arguments...), std::size_t shared_bytes,
         std::type_identity_t<Arguments>... arguments) {
  launch(kernel, 1, threads, shared_bytes, {}, arguments...);
  cudaDeviceSynchronize();
}

TEST_F(Sanitizers, PassWhatIsInBounds) {
  run(write_global, 0, x_, threads - 1);
  run(write_static_shared, 0, x_, threads - 1);
  run(write_dynamic_shared, threads * sizeof(float), x_, threads - 1);
  run(write_stack, 0, x_, 3);
  run(read_float4, 0, x_ + 4, x_);
  EXPECT_FALSE(simt::take_finding());
}

TEST_F(SanitizersDeathTest, SeeAccessesBeyondGlobalMemory) {
  EXPECT_DEATH(run(write_global, 0, x_, threads), "heap-buffer-overflow");
  EXPECT_DEATH(run(write_global, 0, x_, -1), "heap-buffer-overflow");
}

TEST_F(SanitizersDeathTest, SeeMemoryThatWasFreed) {
  float* freed = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&freed), sizeof(float));
  cudaFree(freed);
  EXPECT_DEATH(run(write_global, 0, freed, 0), "heap-use-after-free");
}

// Also from one array into its neighbour, which the order of variables would hide.
TEST_F(SanitizersDeathTest, SeeAccessesBeyondStaticSharedMemory) {
  EXPECT_DEATH(run(write_static_shared, 0, x_, threads), "global-buffer-overflow|out of bounds");
  EXPECT_DEATH(run(write_static_shared, 0, x_, -1), "global-buffer-overflow|out of bounds");
}

TEST_F(SanitizersDeathTest, SeeAccessesBeyondDynamicSharedMemory) {
  constexpr std::size_t bytes = threads * sizeof(float);
  EXPECT_DEATH(run(write_dynamic_shared, bytes, x_, threads), "use-after-poison");
  EXPECT_DEATH(run(write_dynamic_shared, bytes, x_, -1), "use-after-poison|heap-buffer-overflow");
}

TEST_F(SanitizersDeathTest, SeeAccessesBeyondALocalArrayOnAFiber) {
  EXPECT_DEATH(run(write_stack, 0, x_, 5), "stack-buffer-overflow|out of bounds");
}

TEST_F(SanitizersDeathTest, SeeMisalignedVectors) {
  EXPECT_DEATH(run(read_float4, 0, x_ + 1, x_), "misaligned address");
}

}  // namespace
}  // namespace cuelbo::kernels

#endif
