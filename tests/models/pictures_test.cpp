#include "models/pictures.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/error_checks.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using ::testing::ElementsAre;

// A group of two dimensions and a discrete group of three classes; two items.
GroupTree small_tree() {
  return GroupTree(
      {.name = "root",
       .children = {{.leaf = {.name = "kind", .classes = 3}}, {.leaf = {.name = "form", .dims = {1, 0}}}}});
}

Codes small_codes() {
  return {
      .items = 2,
      .dims = 2,
      .mean = {0, 1, 2, 3},
      .logvar = {0, 0, 0, 0},
      .z = {10, 11, 12, 13},
      .discrete = {
          {.name = "kind", .classes = 3, .logits = {5, 0, 0, 0, 0, 9}, .z = {0.5F, 0.25F, 0.25F, 0, 1, 0}}}};
}

TEST(ModelCodes, AreInTheOrderOfTheTree) {
  const Codes codes = small_codes();
  EXPECT_THAT(model_codes(codes, small_tree(), CodeValue::mean), ElementsAre(1, 0, 1, 0, 0, 3, 2, 0, 0, 1));
  EXPECT_THAT(model_codes(codes, small_tree(), CodeValue::sample),
              ElementsAre(11, 10, 0.5F, 0.25F, 0.25F, 13, 12, 0, 1, 0));
}

TEST(ModelCodes, TakeTheMostProbableClassWhereThereIsNoSample) {
  Codes codes = small_codes();
  codes.discrete[0].z.clear();
  EXPECT_THAT(model_codes(codes, small_tree(), CodeValue::sample),
              ElementsAre(11, 10, 1, 0, 0, 13, 12, 0, 0, 1));
}

TEST(ModelCodes, OfAnotherModelAreRefused) {
  const auto refused = [](const Codes& codes, const char* why) {
    return fails_with([&] { model_codes(codes, small_tree(), CodeValue::mean); }, why);
  };
  Codes codes = small_codes();
  codes.dims = 1;
  EXPECT_TRUE(refused(codes, "1 Gaussian dimensions, the model has 2"));
  codes = small_codes();
  codes.discrete[0].classes = 2;
  EXPECT_TRUE(refused(codes, "2 classes in group 'kind', the model has 3"));
  codes = small_codes();
  codes.discrete[0].name = "colour";
  EXPECT_TRUE(refused(codes, "logits_kind"));
  codes.discrete.clear();
  EXPECT_TRUE(refused(codes, "0 discrete groups, the model has 1"));
}

TEST(LatentAxes, HaveTheKlOfTheirPosterior) {
  Codes codes = small_codes();
  codes.logvar = {std::log(4.0F), 0, std::log(4.0F), 0};
  const std::vector<LatentAxis> axes = latent_axes(codes, small_tree());
  ASSERT_EQ(axes.size(), 3U);
  EXPECT_EQ(axes[0].name, "kind");
  const double total = std::exp(5.0) + 2, p = std::exp(5.0) / total, q = 1 / total;
  const double total_2 = std::exp(9.0) + 2, p_2 = std::exp(9.0) / total_2, q_2 = 1 / total_2;
  const double entropies =
      p * std::log(p) + 2 * q * std::log(q) + p_2 * std::log(p_2) + 2 * q_2 * std::log(q_2);
  EXPECT_NEAR(axes[0].kl, std::log(3.0) + entropies / 2, 1e-6);
  EXPECT_EQ(axes[1].name, "form 1");  // column 1 of the codes: means 1 and 3, variance 1
  EXPECT_NEAR(axes[1].kl, (0.5 + 4.5) / 2, 1e-6);
  EXPECT_EQ(axes[2].name, "form 2");  // column 0: means 0 and 2, variance 4
  const double variance_part = 0.5 * (4 - 1 - std::log(4.0));
  EXPECT_NEAR(axes[2].kl, (0 + 2) / 2.0 + variance_part, 1e-6);

  const std::vector<LatentAxis> sorted = sorted_by_kl(axes);
  EXPECT_EQ(sorted[0].name, "form 1");
  EXPECT_EQ(sorted[2].name, "kind");
}

TEST(Tiles, RoundAndClampToBytes) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const Tiles tiles = make_tiles(std::vector<float>{0, 1, 0.5F, 1.002F / 255, -3, 7, nan, 1e30F}, {2, 2, 1});
  EXPECT_EQ(tiles.count(), 2);
  EXPECT_THAT(tiles.pixels, ElementsAre(0, 255, 128, 1, 0, 255, 0, 255));
  EXPECT_THAT(tiles.tile(1).pixels, ElementsAre(0, 255, 0, 255));
}

TEST(Tiles, KeepColoursAndShowTheFirstOfOtherChannels) {
  const std::vector<float> signed_values{-1, 1, 0, 0.5F};
  EXPECT_THAT(make_tiles(signed_values, {2, 2, 1}, shades_of(signed_values)).pixels,
              ElementsAre(0, 255, 128, 191));
  const Shades usual = shades_of(std::vector<float>{0.2F, 0.9F});
  EXPECT_EQ(usual.black, 0);
  EXPECT_EQ(usual.white, 1);
  EXPECT_THAT(make_tiles(std::vector<float>{1, 0, 0.2F}, {1, 1, 3}).pixels, ElementsAre(255, 0, 51));
  EXPECT_THAT(make_tiles(std::vector<float>{1, 0, 0.2F, 0}, {1, 2, 2}).pixels, ElementsAre(255, 51));
}

TEST(Arrange, PutsTilesIntoRowsWithGaps) {
  const Tiles two = make_tiles(std::vector<float>{0, 1}, {1, 1, 1}),
              one = make_tiles(std::vector<float>{1}, {1, 1, 1});
  const Image image = arrange({two, one}, 1);
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.height, 5);
  const std::vector<std::uint8_t> expected{128, 128, 128, 128, 128,  //
                                           128, 0,   128, 255, 128,  //
                                           128, 128, 128, 128, 128,  //
                                           128, 255, 128, 128, 128,  //
                                           128, 128, 128, 128, 128};
  EXPECT_EQ(image.pixels, expected);
  EXPECT_EQ(arrange({two, Tiles{}, one}, 1).height, 9);
  EXPECT_TRUE(fails_with([] { arrange({Tiles{}}); }, "no pictures"));
}

TEST(Traversal, ValuesAreSymmetricAndEven) {
  const std::vector<float> values = traversal_values();
  ASSERT_EQ(values.size(), 11U);
  EXPECT_EQ(values[5], 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_FLOAT_EQ(values[i], -values[values.size() - 1 - i]);
    EXPECT_NEAR(values[i], -2.5 + 0.5 * static_cast<double>(i), 1e-6);
  }
}

// A real decoder, one linear layer without hidden ones: what moves, and what does not, can be told from its output.
class Moving : public ::testing::Test {
 protected:
  Moving() {
    const RunConfig config = parse_config(R"(
[encoder]
layers = [{ linear = 4 }]
[decoder]
layers = [{ linear = 4 }]
[[latent]]
name = "kind"
discrete = 3
[[latent]]
name = "form"
gaussian = 2
)",
                                          "test");
    loaded_.device = open_device({});
    loaded_.parameters = std::make_unique<ParameterSet>(*loaded_.device);
    loaded_.model = std::make_unique<Hfvae>(*loaded_.parameters, config, ImageShape{2, 2, 1});
  }

  LoadedModel loaded_;
};

TEST_F(Moving, ChangesOneVariableOnly) {
  Decoder decoder(loaded_);
  const std::vector<float> code{0.3F, -0.7F, 0, 1, 0};
  const std::vector<float> values = traversal_values();
  const LatentAxis dim{.group = "form", .name = "form 2", .dim = 1},
      kind{.group = "kind", .name = "kind", .discrete = 0, .classes = 3};
  std::vector<float> moved;
  for (const float value : values) moved.insert(moved.end(), {code[0], value, 0, 1, 0});
  EXPECT_EQ(traverse(decoder, code, dim).pixels, make_tiles(decoder(moved), {2, 2, 1}).pixels);

  const std::vector<float> classes{0.3F, -0.7F, 1, 0, 0, 0.3F, -0.7F, 0, 1, 0, 0.3F, -0.7F, 0, 0, 1};
  EXPECT_EQ(traverse(decoder, code, kind).pixels, make_tiles(decoder(classes), {2, 2, 1}).pixels);

  const std::vector<Tiles> grid = traverse_classes(decoder, code, kind, dim);
  ASSERT_EQ(grid.size(), 3U);
  EXPECT_EQ(grid[1].pixels, traverse(decoder, code, dim).pixels);
  EXPECT_NE(grid[0].pixels, grid[1].pixels);
}

TEST_F(Moving, DecoderTakesAnyNumberOfCodes) {
  Decoder decoder(loaded_);
  std::vector<float> codes;
  for (int i = 0; i < 300; ++i) codes.insert(codes.end(), {0.01F * static_cast<float>(i), 0, 1, 0, 0});
  const std::vector<float> all = decoder(codes);
  ASSERT_EQ(all.size(), 300U * 4);
  const std::vector<float> last = decoder(std::span(codes).last(5));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), all.end() - 4));
}

TEST_F(Moving, SamplesFollowTheSeed) {
  Decoder decoder(loaded_);
  const Tiles samples = sample_prior(decoder, 5, 7);
  EXPECT_EQ(samples.count(), 5);
  EXPECT_EQ(samples.pixels, sample_prior(decoder, 5, 7).pixels);
  EXPECT_NE(samples.pixels, sample_prior(decoder, 5, 8).pixels);
}

}  // namespace
}  // namespace cuelbo
