// The textbook's patterns have exact values.
#include <numeric>

#include "kernels/runtime/ptx.hpp"
#include "kernels/runtime/simt/checked/checker.hpp"
#include "tests/kernels/simt/checked/checked_test.hpp"

namespace cuelbo::kernels {
namespace {

using simt::AccessProfile;
using simt::Profile;
using Kind = AccessProfile::Kind;

template <class... Parameters, class... Arguments>
Profile profile_of(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   const Arguments&... arguments) {
  cudaDeviceSynchronize();
  simt::checked::checker->start_profile();
  launch(kernel, grid, block, shared_bytes, {}, arguments...);
  cudaDeviceSynchronize();
  Profile profile = simt::checked::checker->take_profile();
  const auto finding = simt::take_finding();
  EXPECT_FALSE(finding) << to_string(*finding);
  return profile;
}

// The only row of this line and kind.
AccessProfile row(const Profile& profile, const std::string& line, Kind kind, bool shared) {
  std::vector<AccessProfile> found;
  for (const AccessProfile& p : profile.lines)
    if ((p.file + ":" + std::to_string(p.line)).ends_with(line) && p.kind == kind && p.shared == shared)
      found.push_back(p);
  if (found.size() != 1) ADD_FAILURE() << found.size() << " rows of " << line;
  return found.empty() ? AccessProfile{} : found.front();
}
double sectors_a_request(const AccessProfile& p) {
  return static_cast<double>(p.sectors) / static_cast<double>(p.requests);
}
double wavefronts_a_request(const AccessProfile& p) {
  return static_cast<double>(p.wavefronts) / static_cast<double>(p.requests);
}

__global__ void strided(const float* x, float* y, int stride, int offset) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = x[i * stride + offset];  // strided
}
TEST(Profiles, SectorsOfARequestFollowTheStride) {
  const Array<float> x(std::vector<float>(64 * 32 + 32, 1)), y(64);
  const auto sectors = [&](int stride, int offset) {
    const Profile profile =
        profile_of(strided, 1, 64, 0, static_cast<const float*>(x.data()), y.data(), stride, offset);
    const AccessProfile load = row(profile, CUELBO_LINE("strided"), Kind::load, false);
    EXPECT_EQ(load.requests, 2);
    EXPECT_EQ(load.lanes, 64);
    EXPECT_EQ(load.bytes, 4U);
    EXPECT_EQ(row(profile, CUELBO_LINE("strided"), Kind::store, false).sectors, 8);
    return sectors_a_request(load);
  };
  EXPECT_EQ(sectors(1, 0), 4);
  EXPECT_EQ(sectors(1, 1), 5);
  EXPECT_EQ(sectors(2, 0), 8);
  EXPECT_EQ(sectors(4, 0), 16);
  EXPECT_EQ(sectors(8, 0), 32);
  EXPECT_EQ(sectors(32, 0), 32);
  EXPECT_EQ(sectors(0, 3), 1);
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
    return wavefronts_a_request(row(profile, CUELBO_LINE("read of a column"), Kind::load, true));
  };
  EXPECT_EQ(wavefronts(transpose<32>), 32);
  EXPECT_EQ(wavefronts(transpose<33>), 1);
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
  EXPECT_EQ(row(profile, CUELBO_LINE("broadcast"), Kind::load, true).wavefronts, 1);
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

// Odd lanes go round the loop twice as often; all meet again behind it.
__global__ void divergent(const float* x, float* y) {
  float sum = 0;
  const int rounds = threadIdx.x % 2 == 0 ? 2 : 4;
  for (int i = 0; i < rounds; ++i) sum += x[i * 32 + threadIdx.x];  // in the loop
  if (threadIdx.x < 8) sum += x[threadIdx.x];                       // of eight lanes
  y[threadIdx.x] = sum;                                             // behind the loop
}
TEST(Profiles, LanesThatPartedMeetAgain) {
  const Array<float> x(std::vector<float>(128, 1)), y(32);
  const Profile profile = profile_of(divergent, 1, 32, 0, static_cast<const float*>(x.data()), y.data());
  const AccessProfile loop = row(profile, CUELBO_LINE("in the loop"), Kind::load, false);
  EXPECT_EQ(loop.requests, 4);
  EXPECT_EQ(loop.lanes, 2 * 32 + 2 * 16);
  EXPECT_EQ(loop.sectors, 16);
  const AccessProfile eight = row(profile, CUELBO_LINE("of eight lanes"), Kind::load, false);
  EXPECT_EQ(eight.requests, 1);
  EXPECT_EQ(eight.sectors, 1);
  const AccessProfile store = row(profile, CUELBO_LINE("behind the loop"), Kind::store, false);
  EXPECT_EQ(store.requests, 1);
  EXPECT_EQ(store.sectors, 4);
}

// A shuffle in the middle of straight code.
__global__ void shuffled(const float* x, float* y, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const float other = __shfl_xor_sync(~0U, x[i * 32 + threadIdx.x], 1);  // before the shuffle
    y[i * 32 + threadIdx.x] = other;                                       // after the shuffle
  }
}
TEST(Profiles, AShuffleDoesNotPartTheLanes) {
  const Array<float> x(std::vector<float>(96, 1)), y(96);
  const Profile profile = profile_of(shuffled, 1, 32, 0, static_cast<const float*>(x.data()), y.data(), 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("before the shuffle"), Kind::load, false).requests, 3);
  EXPECT_EQ(row(profile, CUELBO_LINE("after the shuffle"), Kind::store, false).requests, 3);
}

__global__ void histogram(const int* x, int* counts) {
  atomicAdd(&counts[x[threadIdx.x]], 1);  // histogram
}
TEST(Profiles, LanesAtOneAddressAreServedInTurn) {
  std::vector<int> values(32);
  for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = i < 20 ? 0 : i;
  const Array<int> x(values), counts(std::vector<int>(32, 0));
  const Profile profile = profile_of(histogram, 1, 32, 0, static_cast<const int*>(x.data()), counts.data());
  const AccessProfile atomic = row(profile, CUELBO_LINE("histogram"), Kind::atomic, false);
  EXPECT_EQ(atomic.requests, 1);
  EXPECT_EQ(atomic.serialized, 20);
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

}  // namespace
}  // namespace cuelbo::kernels
