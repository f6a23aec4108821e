// memcpy, memmove, memset and copies of structs are accesses like any other.
#include <cstring>

#include "tests/kernels/simt/checked/profile_fixture.hpp"

namespace cuelbo::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Large {
  float values[4096];  // which g++ copies by calling memcpy
};

class Copies : public Checked {};
CUELBO_IN_ALL_ORDERS(Copies);

__global__ void copy(const float* x, float* y, std::size_t bytes) {
  std::memcpy(y + threadIdx.x, x + threadIdx.x, bytes);  // copy
}
__global__ void copy_64(const float* x, float* y) {
  memcpy(y, x, 64);  // copy of 64
}
__global__ void move(const float* x, float* y, std::size_t bytes) {
  memmove(y, x, bytes);  // move
}
__global__ void set(float* y, std::size_t bytes) {
  memset(y, 0, bytes);  // set
}
__global__ void set_64(float* y) {
  memset(y, 0, 64);  // set of 64
}
__global__ void copy_large(const Large* x, Large* y) {
  *y = *x;  // large
}
__global__ void copy_from_local(float* y, std::size_t bytes) {
  float local[4] = {1, 2, 3, 4};
  memcpy(y, local, bytes);  // local
}

TEST_P(Copies, OutOfBoundsAreFound) {
  const Array<float> x(std::vector<float>(16, 1)), y(16);
  const float* const from = x.data();
  EXPECT_EQ(found(copy, 1, 1, 0, from, y.data(), std::size_t{64}), "nothing");
  EXPECT_EQ(found(copy, 1, 1, 0, from, y.data() + 16, std::size_t{0}), "nothing");
  EXPECT_THAT(found(copy, 1, 1, 0, from, y.data() + 1, std::size_t{64}),
              AllOf(HasSubstr(CUELBO_LINE("copy") + ": block (0, 0, 0), thread (0, 0, 0): "),
                    HasSubstr("write of 64 bytes outside of all memory that kernels may use, across the end "
                              "of global memory of 64 bytes")));
  EXPECT_THAT(found(copy, 1, 1, 0, from + 1, y.data(), std::size_t{64}),
              HasSubstr("read of 64 bytes outside"));
  EXPECT_THAT(found(copy, 1, 1, 0, from, y.data(), std::size_t{1} << 26), HasSubstr("across the end"));
  EXPECT_THAT(found(copy, 1, 1, 0, from, y.data(), ~std::size_t{0}), HasSubstr("across the end"));
  EXPECT_THAT(found(copy_64, 1, 1, 0, from, y.data() + 1),
              AllOf(HasSubstr(CUELBO_LINE("copy of 64")), HasSubstr("write of 64 bytes outside")));
  EXPECT_THAT(found(move, 1, 1, 0, from, y.data() - 1, std::size_t{32}),
              AllOf(HasSubstr(CUELBO_LINE("move")), HasSubstr("write of 32 bytes outside")));
  EXPECT_THAT(found(set, 1, 1, 0, y.data() + 8, std::size_t{36}),
              AllOf(HasSubstr(CUELBO_LINE("set")), HasSubstr("write of 36 bytes outside")));
  EXPECT_THAT(found(set_64, 1, 1, 0, y.data() + 1),
              AllOf(HasSubstr(CUELBO_LINE("set of 64")), HasSubstr("write of 64 bytes outside")));
  const Array<Large> large(std::vector<Large>(1, Large{}));
  EXPECT_THAT(found(copy_large, 1, 1, 0, static_cast<const Large*>(large.data()), large.data() + 1),
              AllOf(HasSubstr(CUELBO_LINE("large")), HasSubstr("write of 16384 bytes outside")));
  EXPECT_EQ(found(copy_from_local, 1, 1, 0, y.data(), std::size_t{16}), "nothing");
  const Array<float> long_enough(std::size_t{1} << 20);
  EXPECT_THAT(found(copy_from_local, 1, 1, 0, long_enough.data(), std::size_t{1} << 22),
              AllOf(HasSubstr(CUELBO_LINE("local")), HasSubstr("read of 4194304 bytes")));
}

TEST_P(Copies, RacesAreFound) {
  const Array<float> x(std::vector<float>(64, 1)), y(64);
  const float* const from = x.data();
  EXPECT_EQ(found(copy, 1, 2, 0, from, y.data(), std::size_t{4}), "nothing");
  EXPECT_THAT(found(copy, 1, 2, 0, from, y.data(), std::size_t{8}),
              AllOf(HasSubstr("write of 8 bytes races with the write"), HasSubstr(CUELBO_LINE("copy"))));
  EXPECT_THAT(found(set, 2, 1, 0, y.data(), std::size_t{8}), HasSubstr("between blocks; global memory"));
}

TEST_P(Copies, OfUnwrittenMemoryAreFound) {
  const Array<float> x(16), y(16);
  EXPECT_THAT(found(copy, 1, 1, 0, static_cast<const float*>(x.data()), y.data(), std::size_t{64}),
              AllOf(HasSubstr(CUELBO_LINE("copy")), HasSubstr("global memory that nothing has written")));
  EXPECT_EQ(found(set, 1, 1, 0, x.data(), std::size_t{64}), "nothing");
  EXPECT_EQ(found(copy, 1, 1, 0, static_cast<const float*>(x.data()), y.data(), std::size_t{64}), "nothing");
}

TEST(ProfilesOfCopies, CountBytes) {
  const Array<float> x(std::vector<float>(4096, 1)), y(4096);
  const float* const from = x.data();
  const Profile copied = profile_of(copy, 1, 1, 0, from, y.data(), std::size_t{1024});
  EXPECT_EQ(copied.loaded, 1024);
  EXPECT_EQ(copied.stored, 1024);
  const AccessProfile load = row(copied, CUELBO_LINE("copy"), Kind::load, false);
  EXPECT_EQ(load.bytes, 1024U);
  EXPECT_EQ(load.requests, 1);
  EXPECT_EQ(load.sectors, 32);
  EXPECT_EQ(load.ideal_sectors, 32);
  const Profile set_to_0 = profile_of(set, 1, 1, 0, y.data(), std::size_t{1024});
  EXPECT_EQ(set_to_0.loaded, 0);
  EXPECT_EQ(set_to_0.stored, 1024);
}

// It is announced as a range, and then copied by a call.
TEST(ProfilesOfCopies, CountALargeStructOnce) {
  const Array<Large> x(std::vector<Large>(1, Large{})), y(1);
  const Profile copied = profile_of(copy_large, 1, 1, 0, static_cast<const Large*>(x.data()), y.data());
  EXPECT_EQ(copied.loaded, 16384);
  EXPECT_EQ(copied.stored, 16384);
  EXPECT_EQ(row(copied, CUELBO_LINE("large"), Kind::store, false).requests, 1);
}

}  // namespace
}  // namespace cuelbo::kernels
