#include "models/data/loader.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "models/data/binarize.hpp"
#include "models/data/dsprites.hpp"
#include "models/data/random.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/small_dataset.hpp"

namespace cuelbo {
namespace {

using test::all_items;
using test::fails_with;
using test::small_dataset;

struct Copy {
  std::int64_t step, epoch;
  std::vector<std::int64_t> items;
  std::vector<float> images;
  friend bool operator==(const Copy&, const Copy&) = default;
};

Copy copy(const Batch& batch, std::int64_t item_size) {
  return {batch.step,
          batch.epoch,
          {batch.items.begin(), batch.items.end()},
          {batch.images, batch.images + batch.size() * item_size}};
}

std::vector<Copy> batches(const std::shared_ptr<const Dataset>& dataset, const LoaderOptions& options,
                          int count, std::int64_t first = 0) {
  Loader loader(dataset, all_items(dataset->size()), options, first);
  std::vector<Copy> copies;
  for (int i = 0; i < count; ++i) copies.push_back(copy(loader.next(), dataset->item_size()));
  return copies;
}

std::shared_ptr<const Dataset> binarized(std::shared_ptr<const Dataset> dataset, std::uint64_t seed) {
  return std::make_shared<BinarizedDataset>(std::move(dataset), Binarize::dynamic, seed);
}

TEST(Loader, EveryEpochIsAnotherPermutation) {
  const auto dataset = small_dataset(20);
  const auto all = batches(dataset, {.batch_size = 5, .seed = 3}, 12);
  std::set<std::vector<std::int64_t>> orders;
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> order;
    for (std::size_t b = 0; b < 4; ++b) {
      const Copy& batch = all[4 * epoch + b];
      EXPECT_EQ(batch.epoch, static_cast<std::int64_t>(epoch));
      EXPECT_EQ(batch.step, static_cast<std::int64_t>(4 * epoch + b));
      order.insert(order.end(), batch.items.begin(), batch.items.end());
    }
    orders.insert(order);
    std::ranges::sort(order);
    EXPECT_EQ(order, all_items(20));
  }
  EXPECT_EQ(orders.size(), 3U);
}

TEST(Loader, ImagesBelongToTheirItems) {
  const auto dataset = small_dataset(20);
  for (const Copy& batch : batches(dataset, {.batch_size = 7}, 5)) {
    std::vector<float> expected(batch.items.size() * 6);
    dataset->gather(batch.items, expected.data());
    EXPECT_EQ(batch.images, expected);
  }
}

TEST(Loader, TheSeedAloneDecides) {
  const auto dataset = binarized(small_dataset(50), 9);
  const auto reference = batches(dataset, {.batch_size = 8, .seed = 9}, 20);
  for (const int prefetch : {2, 3, 7})
    EXPECT_EQ(batches(dataset, {.batch_size = 8, .seed = 9, .prefetch = prefetch}, 20), reference);
  EXPECT_NE(batches(dataset, {.batch_size = 8, .seed = 10}, 20), reference);
  EXPECT_NE(batches(binarized(small_dataset(50), 10), {.batch_size = 8, .seed = 9}, 20), reference);
}

TEST(Loader, DrawsAnewInEveryEpochAndReadersSeeTheFirst) {
  const auto dataset = binarized(small_dataset(50), 9);
  const auto all = batches(dataset, {.batch_size = 50, .shuffle = false}, 3);
  EXPECT_NE(all[1].images, all[0].images);
  EXPECT_NE(all[2].images, all[1].images);
  for (const float x : all[0].images) ASSERT_TRUE(x == 0 || x == 1) << x;
  std::vector<float> read(all[0].images.size());
  for (int again = 0; again < 2; ++again) {
    dataset->gather(all_items(50), read.data());
    EXPECT_EQ(read, all[0].images);
  }
}

TEST(Loader, ResumesAtAnyStep) {
  const auto dataset = binarized(small_dataset(50), 9);
  const LoaderOptions options{.batch_size = 8, .seed = 9};
  const auto reference = batches(dataset, options, 20);
  for (const int first : {1, 5, 6, 7, 13})
    EXPECT_EQ(batches(dataset, options, 20 - first, first),
              std::vector<Copy>(reference.begin() + first, reference.end()));
}

TEST(Loader, LeavesOutOrGivesTheIncompleteBatch) {
  const auto dataset = small_dataset(10);
  Loader dropping(dataset, all_items(10), {.batch_size = 4});
  EXPECT_EQ(dropping.batches_per_epoch(), 2);
  Loader keeping(dataset, all_items(10), {.batch_size = 4, .shuffle = false, .drop_last = false});
  EXPECT_EQ(keeping.batches_per_epoch(), 3);
  std::vector<std::int64_t> seen;
  for (const std::int64_t size : {4, 4, 2, 4}) {
    const Batch& batch = keeping.next();
    EXPECT_EQ(batch.size(), size);
    seen.insert(seen.end(), batch.items.begin(), batch.items.end());
  }
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3}));

  Loader larger(dataset, all_items(10), {.batch_size = 1000, .drop_last = false});
  EXPECT_EQ(larger.next().size(), 10);
}

TEST(Loader, TakesSomeItemsOnly) {
  const auto dataset = small_dataset(30);
  const std::vector<std::int64_t> some{3, 29, 7, 11};
  Loader loader(dataset, some, {.batch_size = 2});
  std::multiset<std::int64_t> seen;
  for (int i = 0; i < 4; ++i) {
    const Batch& batch = loader.next();
    seen.insert(batch.items.begin(), batch.items.end());
  }
  EXPECT_EQ(seen, (std::multiset<std::int64_t>{3, 3, 7, 7, 11, 11, 29, 29}));
}

TEST(Loader, ABatchStaysUntilTheNext) {
  const auto dataset = small_dataset(64);
  Loader loader(dataset, all_items(64), {.batch_size = 4, .prefetch = 2});
  for (int i = 0; i < 100; ++i) {
    const Batch& batch = loader.next();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(batch.images) % 64, 0U);
    const Copy before = copy(batch, 6);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    ASSERT_EQ(copy(batch, 6), before);
  }
}

// Fails when it comes to one item.
class FailingDataset final : public Dataset {
 public:
  FailingDataset() : Dataset({.name = "failing", .size = 12, .height = 1, .width = 1, .channels = 1}) {}
  void gather(std::span<const std::int64_t> items, float* images) const override {
    for (const std::int64_t item : items) {
      if (item == 7) fail("item {} is broken", item);
      *images++ = 0;
    }
  }
  void gather_factors(std::span<const std::int64_t>, std::int64_t*) const override {}
  std::uint32_t checksum() const override { return 0; }
};

TEST(Loader, AnErrorOfTheThreadReachesTheConsumerInItsTurn) {
  Loader loader(std::make_shared<FailingDataset>(), all_items(12),
                {.batch_size = 3, .shuffle = false, .prefetch = 4});
  EXPECT_EQ(loader.next().step, 0);
  EXPECT_EQ(loader.next().step, 1);
  EXPECT_TRUE(fails_with([&] { loader.next(); }, "item 7 is broken"));
  EXPECT_TRUE(fails_with([&] { loader.next(); }, "item 7 is broken"));
}

TEST(Loader, StopsWhateverItIsDoing) {
  const auto dataset = std::make_shared<Dsprites>();
  for (int i = 0; i < 20; ++i) {
    Loader loader(dataset, all_items(2000), {.batch_size = 200});
    for (int k = 0; k < i % 4; ++k) loader.next();
  }
}

TEST(Loader, RefusesWhatCannotBe) {
  const auto dataset = small_dataset(10);
  const auto make = [&](const std::vector<std::int64_t>& items, const LoaderOptions& options) {
    return [=] { Loader(dataset, items, options); };
  };
  EXPECT_TRUE(fails_with<UsageError>(make(all_items(10), {.batch_size = 11}),
                                     "batch_size 11 is larger than the 10 items"));
  EXPECT_TRUE(fails_with<UsageError>(make(all_items(10), {.batch_size = 0}), "batch_size is 0"));
  EXPECT_TRUE(fails_with<UsageError>(make({}, {.batch_size = 1}), "no items"));
  EXPECT_TRUE(fails_with<UsageError>(make(all_items(10), {.batch_size = 1, .prefetch = 1}), "prefetch is 1"));
}

TEST(Shuffle, IsFairAndDependsOnAllItsArguments) {
  // The position of item 0 of 5 over many epochs: each place one time in five.
  std::vector<int> places(5);
  const int epochs = 10'000;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    auto items = all_items(5);
    shuffle(items, 1, DataStream::shuffle, static_cast<std::uint32_t>(epoch));
    ++places[static_cast<std::size_t>(std::ranges::find(items, 0) - items.begin())];
  }
  for (const int count : places) EXPECT_NEAR(count, epochs / 5.0, 5 * std::sqrt(epochs * 0.2 * 0.8));

  const auto order = [](std::uint64_t seed, DataStream stream, std::uint32_t epoch) {
    auto items = all_items(100);
    shuffle(items, seed, stream, epoch);
    return items;
  };
  const auto reference = order(1, DataStream::shuffle, 0);
  EXPECT_EQ(order(1, DataStream::shuffle, 0), reference);
  EXPECT_NE(order(2, DataStream::shuffle, 0), reference);
  EXPECT_NE(order(1ULL << 32 | 1, DataStream::shuffle, 0), reference);
  EXPECT_NE(order(1, DataStream::split, 0), reference);
  EXPECT_NE(order(1, DataStream::shuffle, 1), reference);
  // Runs are resumed by later versions, so the order must not change. The figures are from an implementation
  // in Python.
  EXPECT_EQ(std::vector<std::int64_t>(reference.begin(), reference.begin() + 8),
            (std::vector<std::int64_t>{5, 97, 26, 23, 81, 69, 78, 93}));
}

TEST(Binarize, ThresholdAndNames) {
  std::vector<float> image{0, 0.49F, 0.5F, 1};
  const std::vector<std::int64_t> item{0};
  binarize(item, image.data(), 4, Binarize::threshold, 1, 0);
  EXPECT_EQ(image, (std::vector<float>{0, 0, 1, 1}));
  EXPECT_EQ(parse_binarize("dynamic"), Binarize::dynamic);
  EXPECT_EQ(parse_binarize("none"), Binarize::none);
  EXPECT_TRUE(fails_with<UsageError>([] { parse_binarize("treshold"); }, "did you mean 'threshold'?"));
}

TEST(Binarize, DynamicDrawsWithTheGreyValueAsProbability) {
  const std::int64_t pixels = 10'003;  // no multiple of four
  const auto draw = [&](float grey, std::int64_t item, std::uint64_t seed, std::uint32_t epoch) {
    std::vector<float> image(pixels, grey);
    binarize({&item, 1}, image.data(), pixels, Binarize::dynamic, seed, epoch);
    return image;
  };
  for (const float grey : {0.0F, 0.1F, 0.5F, 0.9F, 1.0F}) {
    double sum = 0;
    for (const float x : draw(grey, 0, 1, 0)) {
      ASSERT_TRUE(x == 0 || x == 1);
      sum += x;
    }
    EXPECT_NEAR(sum / pixels, grey, 5 * std::sqrt(grey * (1 - grey) / pixels));
  }
  const auto reference = draw(0.5F, 0, 1, 0);
  EXPECT_EQ(draw(0.5F, 0, 1, 0), reference);
  EXPECT_NE(draw(0.5F, 1, 1, 0), reference);
  EXPECT_NE(draw(0.5F, 1LL << 32, 1, 0), reference);
  EXPECT_NE(draw(0.5F, 0, 2, 0), reference);
  EXPECT_NE(draw(0.5F, 0, 1, 1), reference);
}

TEST(Binarize, ADrawDoesNotDependOnTheBatchAround) {
  std::vector<float> together(12, 0.5F), alone(4, 0.5F);
  const std::vector<std::int64_t> three{4, 9, 2}, one{9};
  binarize(three, together.data(), 4, Binarize::dynamic, 1, 0);
  binarize(one, alone.data(), 4, Binarize::dynamic, 1, 0);
  EXPECT_EQ(std::vector<float>(together.begin() + 4, together.begin() + 8), alone);
}

}  // namespace
}  // namespace cuelbo
