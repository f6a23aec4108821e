// The textbook's patterns have exact values.
#include "kernels/runtime/elementwise.cuh"
#include "kernels/runtime/ptx.hpp"
#include "tests/kernels/simt/checked/profile_fixture.hpp"

namespace cuelbo::kernels {
namespace {

using testing::ElementsAre;

__global__ void strided(const float* x, float* y, int stride, int offset) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = x[i * stride + offset];  // strided
}
TEST(Profiles, SectorsOfARequestFollowTheStride) {
  const Array<float> x(std::vector<float>(64 * 32 + 32, 1)), y(64);
  // Sectors of a request, as few as would do, 128-byte lines.
  const auto counts = [&](int stride, int offset) {
    const Profile profile =
        profile_of(strided, 1, 64, 0, static_cast<const float*>(x.data()), y.data(), stride, offset);
    const AccessProfile load = row(profile, CUELBO_LINE("strided"), Kind::load, false);
    EXPECT_EQ(load.requests, 2);
    EXPECT_EQ(load.lanes, 64);
    EXPECT_EQ(load.bytes, 4U);
    EXPECT_EQ(load.serialized, 0);
    EXPECT_EQ(row(profile, CUELBO_LINE("strided"), Kind::store, false).sectors, 8);
    return std::vector<std::int64_t>{load.sectors / 2, load.ideal_sectors / 2, load.cache_lines / 2};
  };
  EXPECT_THAT(counts(1, 0), ElementsAre(4, 4, 1));
  EXPECT_THAT(counts(1, 1), ElementsAre(5, 4, 2));
  EXPECT_THAT(counts(2, 0), ElementsAre(8, 4, 2));
  EXPECT_THAT(counts(4, 0), ElementsAre(16, 4, 4));
  EXPECT_THAT(counts(8, 0), ElementsAre(32, 4, 8));
  EXPECT_THAT(counts(32, 0), ElementsAre(32, 4, 32));
  EXPECT_THAT(counts(0, 3), ElementsAre(1, 1, 1));
}

__global__ void halves(const unsigned short* x, unsigned* y) {
  __shared__ unsigned short values[64];
  values[threadIdx.x] = x[threadIdx.x];  // halves
  values[threadIdx.x + 32] = x[threadIdx.x + 32];
  __syncwarp();
  y[threadIdx.x] = values[2 * threadIdx.x];  // every other half
}
TEST(Profiles, HalvesOfAWordAreOneAccess) {
  const Array<unsigned short> x(std::vector<unsigned short>(64, 1));
  const Array<unsigned> y(32);
  const Profile profile =
      profile_of(halves, 1, 32, 0, static_cast<const unsigned short*>(x.data()), y.data());
  EXPECT_EQ(row(profile, CUELBO_LINE("halves"), Kind::load, false).sectors, 2);
  EXPECT_EQ(row(profile, CUELBO_LINE("halves"), Kind::store, true).wavefronts, 1);
  const AccessProfile load = row(profile, CUELBO_LINE("every other half"), Kind::load, true);
  EXPECT_EQ(load.bytes, 2U);
  EXPECT_EQ(load.wavefronts, 1);
  EXPECT_EQ(load.ideal_wavefronts, 1);
}

__global__ void of_float4(const float4* x, float4* y) {
  y[threadIdx.x] = x[threadIdx.x];  // float4
}
TEST(Profiles, AFloat4IsOneAccess) {
  const Array<float4> x(std::vector<float4>(32, float4{1, 2, 3, 4})), y(32);
  const Profile profile = profile_of(of_float4, 1, 32, 0, static_cast<const float4*>(x.data()), y.data());
  const AccessProfile load = row(profile, CUELBO_LINE("float4"), Kind::load, false);
  EXPECT_EQ(load.bytes, 16U);
  EXPECT_EQ(load.requests, 1);
  EXPECT_EQ(load.sectors, 16);
  EXPECT_EQ(load.ideal_sectors, 16);
  EXPECT_EQ(load.cache_lines, 4);
}

template <int pitch>
__global__ void transpose(const float* x, float* y) {
  __shared__ float values[32 * pitch];
  values[threadIdx.y * pitch + threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];  // write of a row
  __syncthreads();
  y[threadIdx.y * 32 + threadIdx.x] = values[threadIdx.x * pitch + threadIdx.y];  // read of a column
}
TEST(Profiles, AColumnOfATileMeetsOneBankUnlessPadded) {
  const Array<float> x(std::vector<float>(1024, 1)), y(1024);
  const auto wavefronts = [&](auto kernel) {
    const Profile profile =
        profile_of(kernel, 1, dim3(32, 32), 0, static_cast<const float*>(x.data()), y.data());
    const AccessProfile write = row(profile, CUELBO_LINE("write of a row"), Kind::store, true);
    EXPECT_EQ(write.requests, 32);
    EXPECT_EQ(write.wavefronts, 32);
    EXPECT_EQ(write.ideal_wavefronts, 32);
    EXPECT_EQ(write.sectors, 0);
    const AccessProfile read = row(profile, CUELBO_LINE("read of a column"), Kind::load, true);
    EXPECT_EQ(read.requests, 32);
    EXPECT_EQ(read.ideal_wavefronts, 32);
    return read.wavefronts;
  };
  EXPECT_EQ(wavefronts(transpose<32>), 32 * 32);
  EXPECT_EQ(wavefronts(transpose<33>), 32);
}

__global__ void broadcast(float* y) {
  __shared__ float value;
  if (threadIdx.x == 0) value = 3;
  __syncthreads();
  y[threadIdx.x] = value;  // broadcast
}
TEST(Profiles, ABroadcastIsOneWavefront) {
  Array<float> y(32);
  const Profile profile = profile_of(broadcast, 1, 32, 0, y.data());
  const AccessProfile load = row(profile, CUELBO_LINE("broadcast"), Kind::load, true);
  EXPECT_EQ(load.wavefronts, 1);
  EXPECT_EQ(load.ideal_wavefronts, 1);
}

__global__ void doubles(double* y, unsigned stride) {
  __shared__ double values[32 * 16];
  for (unsigned i = threadIdx.x; i < 32 * 16; i += 32) values[i] = 1;
  __syncwarp();
  y[threadIdx.x] = values[threadIdx.x * stride];  // doubles
}
TEST(Profiles, DoublesAreServedByHalvesOfAWarp) {
  Array<double> y(32);
  const auto wavefronts = [&](unsigned stride) {
    const Profile profile = profile_of(doubles, 1, 32, 0, y.data(), stride);
    const AccessProfile load = row(profile, CUELBO_LINE("doubles"), Kind::load, true);
    EXPECT_EQ(load.ideal_wavefronts, 2);
    return load.wavefronts;
  };
  EXPECT_EQ(wavefronts(1), 2);
  EXPECT_EQ(wavefronts(2), 4);
  EXPECT_EQ(wavefronts(16), 32);
}

// Eight lanes of 16 bytes are served at a time, so what others read again costs again.
__global__ void eight_float4(float4* y) {
  __shared__ float4 values[8];
  if (threadIdx.x < 8) values[threadIdx.x] = float4{1, 2, 3, 4};
  __syncthreads();
  y[threadIdx.x] = values[threadIdx.x % 8];  // eight at a time
}
TEST(Profiles, WideAccessesAreServedByPartsOfAWarp) {
  Array<float4> y(32);
  const Profile profile = profile_of(eight_float4, 1, 32, 0, y.data());
  const AccessProfile load = row(profile, CUELBO_LINE("eight at a time"), Kind::load, true);
  EXPECT_EQ(load.requests, 1);
  EXPECT_EQ(load.wavefronts, 4);
  EXPECT_EQ(load.ideal_wavefronts, 4);
}

__global__ void histogram(const int* x, int* counts) {
  __shared__ int bins[32];
  bins[threadIdx.x] = 0;
  __syncwarp();
  atomicAdd(&bins[x[threadIdx.x]], 1);    // shared bins
  atomicAdd(&counts[x[threadIdx.x]], 1);  // histogram
}
TEST(Profiles, LanesAtOneAddressAreServedInTurn) {
  std::vector<int> values(32);
  for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = i < 12 ? 20 : i;
  const Array<int> x(values), counts(std::vector<int>(32, 0));
  const Profile profile = profile_of(histogram, 1, 32, 0, static_cast<const int*>(x.data()), counts.data());
  const AccessProfile global = row(profile, CUELBO_LINE("histogram"), Kind::atomic, false);
  EXPECT_EQ(global.requests, 1);
  EXPECT_EQ(global.lanes, 32);
  EXPECT_EQ(global.serialized, 13);
  EXPECT_EQ(global.sectors, 3);
  const AccessProfile shared = row(profile, CUELBO_LINE("shared bins"), Kind::atomic, true);
  EXPECT_EQ(shared.serialized, 13);
  EXPECT_EQ(shared.wavefronts, 1);
}
TEST(Profiles, AtomicsLoadAndStore) {
  std::vector<int> values(32);
  for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = i < 12 ? 20 : i;
  const Array<int> x(values), counts(std::vector<int>(32, 0));
  const Profile profile = profile_of(histogram, 1, 32, 0, static_cast<const int*>(x.data()), counts.data());
  const auto of_x = 32 * row(profile, CUELBO_LINE("histogram"), Kind::load, false).sectors;
  EXPECT_EQ(profile.loaded % 128, 3 * 32);  // of x a compiler may load twice
  EXPECT_EQ(profile.must_load, 128 + 3 * 32);
  EXPECT_EQ(profile.stored, 3 * 32);
  EXPECT_EQ(profile.must_store, 3 * 32);
  EXPECT_EQ(of_x, 128);
}

__global__ void twice(const float* x, float* y) {
  y[blockIdx.x * blockDim.x + threadIdx.x] = x[threadIdx.x] + x[threadIdx.x];
}
TEST(Profiles, MovedBytesAreComparedWithTheLeast) {
  const Array<float> x(std::vector<float>(64, 1)), y(256);
  const Profile profile = profile_of(twice, 4, 64, 0, static_cast<const float*>(x.data()), y.data());
  EXPECT_EQ(profile.must_load, 256);
  EXPECT_EQ(profile.loaded % 1024, 0);  // a compiler may load twice
  EXPECT_EQ(profile.stored, 1024);
  EXPECT_EQ(profile.must_store, 1024);
}

// One instruction, two accesses.
__global__ void asynchronous(const float* x, float* y, int rounds) {
  __shared__ __align__(16) float tile[32 * 8];
  const unsigned filled = threadIdx.x < 30 ? 16 : 8;
  ptx::cp_async_16(tile + 8 * threadIdx.x, x + 4 * threadIdx.x, filled);  // cp.async
  ptx::cp_async_commit();
  for (int i = 0; i < rounds; ++i) y[threadIdx.x] = 0;  // other pieces of code
  ptx::cp_async_wait<0>();
  y[threadIdx.x] = tile[8 * threadIdx.x];
}
TEST(Profiles, AnAsynchronousCopyLoadsAndStores) {
  const Array<float> x(std::vector<float>(128, 1)), y(32);
  const Profile profile =
      profile_of(asynchronous, 1, 32, 0, static_cast<const float*>(x.data()), y.data(), 3);
  const AccessProfile store = row(profile, CUELBO_LINE("cp.async"), Kind::store, true);
  EXPECT_EQ(store.bytes, 16U);
  EXPECT_EQ(store.requests, 1);
  EXPECT_EQ(store.wavefronts, 8);
  EXPECT_EQ(store.ideal_wavefronts, 4);
  const auto loads = rows(profile, CUELBO_LINE("cp.async"), Kind::load, false);
  ASSERT_EQ(loads.size(), 2U);
  EXPECT_EQ(loads[0].bytes, 8U);
  EXPECT_EQ(loads[0].lanes, 2);
  EXPECT_EQ(loads[1].bytes, 16U);
  EXPECT_EQ(loads[1].lanes, 30);
  EXPECT_EQ(loads[1].sectors, 15);
}

// More than all banks hold at once.
struct Forty {
  float v[40];
};
__global__ void long_structs(const Forty* x, float* y) {
  __shared__ Forty values[2];
  values[threadIdx.x] = x[threadIdx.x];  // long structs
  __syncwarp();
  y[threadIdx.x] = values[1 - threadIdx.x].v[39];
}
TEST(Profiles, ALongStructTakesSeveralWavefronts) {
  const Array<Forty> x(std::vector<Forty>(2, Forty{}));
  const Array<float> y(2);
  const Profile profile = profile_of(long_structs, 1, 2, 0, static_cast<const Forty*>(x.data()), y.data());
  const AccessProfile store = row(profile, CUELBO_LINE("long structs"), Kind::store, true);
  EXPECT_EQ(store.requests, 1);
  EXPECT_EQ(store.wavefronts, 4);
  EXPECT_EQ(store.ideal_wavefronts, 4);
}

struct Eight {
  float v[8];
};
__global__ void copy_structs(const Eight* x, Eight* y) {
  y[threadIdx.x] = x[threadIdx.x];  // structs
}
TEST(Profiles, AStructIsOneAccessWhereverItLies) {
  const Array<float> x(std::vector<float>(128, 1)), y(128);
  const auto* const from = reinterpret_cast<const Eight*>(x.data() + 60);
  auto* const to = reinterpret_cast<Eight*>(y.data());
  const Profile profile = profile_of(copy_structs, 1, 2, 0, from, to);
  const AccessProfile load = row(profile, CUELBO_LINE("structs"), Kind::load, false);
  EXPECT_EQ(load.bytes, 32U);
  EXPECT_EQ(load.requests, 1);
  EXPECT_EQ(load.lanes, 2);
  EXPECT_EQ(load.sectors, 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("structs"), Kind::store, false).sectors, 2);
}

// ---- where rows come from

template <int offset>
__device__ void store_at(int* y, int* shared) {
  y[threadIdx.x + offset] = 1;    // of both
  shared[threadIdx.x * 2] = 1;    // of both, shared
  atomicAdd(y + offset + 64, 1);  // of both, atomic
}
__global__ void store_twice(int* y) {
  __shared__ int shared[64];
  store_at<0>(y, shared);
  __syncwarp();
  store_at<33>(y, shared);
}
TEST(Profiles, ALineThatBecameCodeTwiceIsOneRow) {
  Array<int> y(std::vector<int>(128, 0));
  const Profile profile = profile_of(store_twice, 1, 32, 0, y.data());
  const AccessProfile store = row(profile, CUELBO_LINE("of both"), Kind::store, false);
  EXPECT_EQ(store.requests, 2);
  EXPECT_EQ(store.lanes, 64);
  EXPECT_EQ(store.sectors, 4 + 5);
  EXPECT_EQ(store.ideal_sectors, 8);
  EXPECT_EQ(store.cache_lines, 1 + 2);
  const AccessProfile shared = row(profile, CUELBO_LINE("of both, shared"), Kind::store, true);
  EXPECT_EQ(shared.wavefronts, 4);
  EXPECT_EQ(shared.ideal_wavefronts, 2);
  EXPECT_EQ(row(profile, CUELBO_LINE("of both, atomic"), Kind::atomic, false).serialized, 64);
}

__global__ void with_helpers(const float* x, float* y) {
  const cuda::Pack<4> first = cuda::load<4>(x + 4 * threadIdx.x);          // first pack
  const cuda::Pack<4> second = cuda::load<4>(x + 4 * (31 - threadIdx.x));  // second pack
  cuda::store(y + 4 * threadIdx.x, threadIdx.x % 2 == 0 ? first : second);
}
TEST(Profiles, WhatAHelperAccessesIsOfTheLineThatCallsIt) {
  const Array<float> x(std::vector<float>(128, 1)), y(128);
  const Profile profile = profile_of(with_helpers, 1, 32, 0, static_cast<const float*>(x.data()), y.data());
  for (const std::string& line : {CUELBO_LINE("first pack"), CUELBO_LINE("second pack")})
    EXPECT_EQ(row(profile, line, Kind::load, false).sectors, 16);
}

// A kernel that is in kernels/runtime with all of its accesses has the lines of its own file.
struct Twice {
  __device__ float operator()(const float* v) const { return 2 * v[0]; }
};
TEST(Profiles, AKernelOfTheRuntimeHasItsOwnLines) {
  const Array<float> x(std::vector<float>(128, 1)), y(128);
  cuda::ElementwiseOperands<Twice, 1> operands{.count = 128, .x = {x.data()}, .y = y.data(), .f = {}};
  const Profile profile =
      profile_of(cuda::for_each_element<4, cuda::ElementwiseOperands<Twice, 1>>, 1, 32, 0, 128, operands);
  ASSERT_EQ(profile.lines.size(), 2U);
  for (const AccessProfile& line : profile.lines) {
    EXPECT_TRUE(line.file.ends_with("kernels/runtime/elementwise.cuh")) << line.file;
    EXPECT_EQ(line.sectors, 16);
  }
}

}  // namespace
}  // namespace cuelbo::kernels
