#include "models/data/dsprites.hpp"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

#include "engine/io/npz.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

// The definition at the head of dsprites.hpp, pixel by pixel.
bool inside(const DspritesFactors& f, int i, int j) {
  const double angle = 2 * std::numbers::pi * static_cast<double>(f.orientation) / 39;
  const double scale = 0.5 + 0.1 * static_cast<double>(f.scale);
  const double dx = j + 0.5 - (16 + 32 * (static_cast<double>(f.pos_x) / 31));
  const double dy = i + 0.5 - (16 + 32 * (static_cast<double>(f.pos_y) / 31));
  const double u = (std::cos(angle) * dx - std::sin(angle) * dy) / scale;
  const double v = (std::sin(angle) * dx + std::cos(angle) * dy) / scale;
  if (f.shape == 0) return std::abs(u) < 9.6 && std::abs(v) < 9.6;
  if (f.shape == 1) return std::pow(u / 12.77, 2) + std::pow(v / 7.21, 2) < 1;
  const auto corner_u = [](int k) {
    return 0.59975 * 16 * std::pow(std::sin(2 * std::numbers::pi * (k % 200) / 200), 3);
  };
  const auto corner_v = [](int k) {
    const double t = 2 * std::numbers::pi * (k % 200) / 200;
    return -0.66225 * (13 * std::cos(t) - 5 * std::cos(2 * t) - 2 * std::cos(3 * t) - std::cos(4 * t)) - 1.44;
  };
  static const auto corners = [&] {
    std::array<std::array<double, 2>, 201> all;
    for (int k = 0; k <= 200; ++k) all[static_cast<std::size_t>(k)] = {corner_u(k), corner_v(k)};
    return all;
  }();
  bool odd = false;  // crossings to the right
  for (std::size_t k = 0; k < 200; ++k) {
    const auto [ua, va] = corners[k];
    const auto [ub, vb] = corners[k + 1];
    if ((va > v) != (vb > v) && u < ua + (v - va) * (ub - ua) / (vb - va)) odd = !odd;
  }
  return odd;
}

TEST(Dsprites, IsItsDefinitionPixelByPixel) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    const auto item = static_cast<std::int64_t>(random() % dsprites_size);
    const DspritesFactors factors = dsprites_factors(item);
    const DspritesBits rows = render_dsprite(factors);
    for (int i = 0; i < 64; ++i)
      for (int j = 0; j < 64; ++j)
        ASSERT_EQ(rows[static_cast<std::size_t>(i)] >> j & 1, std::uint64_t{inside(factors, i, j)})
            << "item " << item << ", pixel " << i << ", " << j;
  }
}

// dsprites_frames.npz, made by make_fixtures.py from frames of the original.
TEST(Dsprites, MeetsTheGenuineFrames) {
  const NpzReader frames(test::fixture("dsprites_frames.npz"));
  const auto factors = frames.read("factors").as_i64(), wrong = frames.read("wrong").as_i64();
  const auto white = frames.read("white").as_i64(), chosen = frames.read("chosen").as_i64();
  const Array rows = frames.read("rows");
  ASSERT_EQ(wrong.size(), 320U);
  ASSERT_GE(chosen.size(), 48U);

  const auto render = [&](std::size_t n) {
    const std::int64_t* f = &factors[5 * n];
    return render_dsprite({f[0], f[1], f[2], f[3], f[4]});
  };
  std::int64_t exact = 0, wrong_in_all = 0;
  for (std::size_t n = 0; n < wrong.size(); ++n) {
    std::int64_t count = 0;
    for (const std::uint64_t row : render(n)) count += std::popcount(row);
    EXPECT_LE(std::abs(count - white[n]), wrong[n]) << "frame " << n;
    exact += wrong[n] == 0;
    wrong_in_all += wrong[n];
    EXPECT_LE(wrong[n], 4);
  }
  EXPECT_EQ(exact, 302);
  EXPECT_EQ(wrong_in_all, 34);

  for (std::size_t k = 0; k < chosen.size(); ++k) {
    const auto n = static_cast<std::size_t>(chosen[k]);
    const DspritesBits bits = render(n);
    std::int64_t differing = 0;
    for (std::size_t i = 0; i < 64; ++i)
      differing += std::popcount(bits[i] ^ rows.as<std::uint64_t>()[64 * k + i]);
    EXPECT_EQ(differing, wrong[n]) << "frame " << n;
  }
}

TEST(Dsprites, ItemsAndFactorsAreOneToOne) {
  EXPECT_EQ(dsprites_factors(0), (DspritesFactors{0, 0, 0, 0, 0}));
  EXPECT_EQ(dsprites_factors(dsprites_size - 1), (DspritesFactors{2, 5, 39, 31, 31}));
  EXPECT_EQ(dsprites_item({1, 0, 0, 0, 0}), 245760);
  EXPECT_EQ(dsprites_item({0, 1, 0, 0, 0}), 40960);
  EXPECT_EQ(dsprites_item({0, 0, 1, 0, 0}), 1024);
  EXPECT_EQ(dsprites_item({0, 0, 0, 1, 0}), 32);
  EXPECT_EQ(dsprites_item({0, 0, 0, 0, 1}), 1);
  for (std::int64_t item = 0; item < dsprites_size; item += 31)
    ASSERT_EQ(dsprites_item(dsprites_factors(item)), item);
}

TEST(Dsprites, TheFullTurnIsTheFirstOrientation) {
  for (std::int64_t shape = 0; shape < 3; ++shape)
    EXPECT_EQ(render_dsprite({shape, 3, 0, 7, 11}), render_dsprite({shape, 3, 39, 7, 11}));
}

TEST(Dsprites, GathersImagesAndFactors) {
  const Dsprites dataset;
  EXPECT_EQ(dataset.size(), 737280);
  EXPECT_EQ(dataset.item_size(), 64 * 64);
  const std::vector<std::int64_t> items{737279, 5, 400000};
  std::vector<float> images(3 * 64 * 64, -1.0F);
  dataset.gather(items, images.data());
  for (std::size_t n = 0; n < items.size(); ++n) {
    const DspritesBits rows = render_dsprite(dsprites_factors(items[n]));
    for (std::size_t p = 0; p < 64 * 64; ++p)
      ASSERT_EQ(images[n * 64 * 64 + p], static_cast<float>(rows[p / 64] >> (p % 64) & 1));
  }
  std::vector<std::int64_t> factors(3 * 5);
  dataset.gather_factors(items, factors.data());
  EXPECT_EQ(factors, (std::vector<std::int64_t>{2, 5, 39, 31, 31, 0, 0, 0, 0, 5, 1, 3, 30, 20, 0}));
  for (std::size_t k = 0; k < 5; ++k) EXPECT_EQ(dataset.factors()[k].size(), dsprites_factor_sizes[k]);
}

}  // namespace
}  // namespace cuelbo
