#include "models/data/where.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "models/data/dsprites.hpp"
#include "models/data/split.hpp"
#include "tests/support/dataset_content.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/small_dataset.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::small_dataset;

TEST(Where, SelectsByValueAndLabel) {
  const Dsprites dataset;
  const auto count = [&](const char* where) {
    return static_cast<std::int64_t>(select_items(dataset, where).size());
  };
  const std::int64_t all = dsprites_size;
  EXPECT_EQ(count(""), all);
  EXPECT_EQ(count("shape=heart"), all / 3);
  EXPECT_EQ(count("shape!=heart"), all * 2 / 3);
  EXPECT_EQ(count("shape = 2"), all / 3);
  EXPECT_EQ(count("scale=0.8"), all / 6);
  EXPECT_EQ(count("scale>0.6"), all * 4 / 6);
  EXPECT_EQ(count("scale>=0.6"), all * 5 / 6);
  EXPECT_EQ(count("scale<0.6"), all / 6);
  EXPECT_EQ(count("scale<=0.6"), all * 2 / 6);
  EXPECT_EQ(count("orientation<3.1416"), all / 2);
  EXPECT_EQ(count("orientation=6.283"), all / 40);  // 6.28319; every comparison rounds alike
  EXPECT_EQ(count("orientation>=6.283"), all / 40);
  EXPECT_EQ(count("orientation<=6.283"), all);
  EXPECT_EQ(count("orientation<6.283"), all / 40 * 39);
  EXPECT_EQ(count("orientation>6.283"), 0);
  EXPECT_EQ(count("posX<0.226"), all / 32 * 7);  // 7/31 = 0.22581
  EXPECT_EQ(count("posX=0.516"), all / 32);      // 16/31
  EXPECT_EQ(count("posX>0.66, posY>0.66 ,shape=ellipse"), all / 3 * 11 * 11 / 32 / 32);
  EXPECT_EQ(count("scale>0.6,scale<0.6"), 0);
}

// Labels that are numbers are labels: class=1 is the first class of 1, 2, 3, and not the second one too.
TEST(Where, ALabelDecidesBeforeAValue) {
  std::vector<std::int64_t> classes{0, 1, 2, 2};
  ArrayDataset dataset("numbered", make_array(Dtype::u8, {4, 1, 1}), make_array({4}, classes), {"class"});
  dataset.name_values(0, {"1", "2", "3"});
  const auto selected = [&](const char* where) { return select_items(dataset, where); };
  using Items = std::vector<std::int64_t>;
  EXPECT_EQ(selected("class=1"), (Items{0}));
  EXPECT_EQ(selected("class=2"), (Items{1}));
  EXPECT_EQ(selected("class=3"), (Items{2, 3}));
  EXPECT_EQ(selected("class!=1"), (Items{1, 2, 3}));
  EXPECT_EQ(selected("class=2.0|3"), (Items{1, 2, 3}));
  EXPECT_EQ(selected("class>1"), (Items{1, 2, 3}));
  EXPECT_EQ(selected("class<=2"), (Items{0, 1}));
  EXPECT_TRUE(fails_with<UsageError>([&] { selected("class=0"); }, "class is never '0'"));  // no index either
}

TEST(Where, ANumberThatIsNoLabelIsNoIndex) {
  const auto selected = [](const std::vector<std::string>& labels, const char* where) {
    std::vector<std::int64_t> classes(labels.size());
    std::iota(classes.begin(), classes.end(), 0);
    ArrayDataset dataset("named", make_array(Dtype::u8, {std::ssize(labels), 1, 1}),
                         make_array({std::ssize(classes)}, classes), {"class"});
    dataset.name_values(0, labels);
    return select_items(dataset, where);
  };
  using Items = std::vector<std::int64_t>;
  EXPECT_EQ(selected({"01", "02", "03"}, "class=1"), (Items{0}));
  EXPECT_EQ(selected({"1", "2", "3", "5", "7"}, "class!=5"), (Items{0, 1, 2, 4}));
  EXPECT_EQ(selected({"10", "20", "30"}, "class=20"), (Items{1}));
  EXPECT_EQ(selected({"1", "2", "cat"}, "class=1|2.0|cat"), (Items{0, 1, 2}));
  EXPECT_EQ(selected({"cat", "dog"}, "class=1"), (Items{1}));  // as in the file's labels
  const auto refused = [&](const std::vector<std::string>& labels, const char* where) {
    return fails_with<UsageError>([&] { selected(labels, where); }, "is never");
  };
  for (const char* where : {"class=4", "class!=4", "class=0"})
    EXPECT_TRUE(refused({"1", "2", "3", "5", "7"}, where)) << where;
  for (const char* where : {"class=1", "class=0"}) {
    EXPECT_TRUE(refused({"10", "20", "30"}, where)) << where;
    EXPECT_TRUE(refused({"7", "8", "cat"}, where)) << where;
  }
}

TEST(Where, SeveralValuesAndQuotes) {
  std::vector<std::int64_t> classes{0, 1, 2, 3, 4};
  ArrayDataset dataset("named", make_array(Dtype::u8, {5, 1, 1}), make_array({5}, classes), {"class"});
  dataset.name_values(0, {"cat", "Salem, MA", "a|b", "it's", "x=1"});
  const auto selected = [&](const char* where) { return select_items(dataset, where); };
  using Items = std::vector<std::int64_t>;
  EXPECT_EQ(selected("class=\"Salem, MA\""), (Items{1}));
  EXPECT_EQ(selected("class = 'Salem, MA' | cat , class!=cat"), (Items{1}));
  EXPECT_EQ(selected("class!=cat|\"a|b\""), (Items{1, 3, 4}));
  EXPECT_EQ(selected("class=a|b"), (Items{2}));  // a label
  EXPECT_EQ(selected("class=it's|x=1,'class'!=cat"), (Items{3, 4}));
  const auto refused = [&](const char* where, const char* message) {
    return fails_with<UsageError>([&] { selected(where); }, message);
  };
  EXPECT_TRUE(refused("class=Salem, MA", "it takes cat, \"Salem, MA\", \"a|b\", \"it's\", x=1"));
  EXPECT_TRUE(refused("class=\"Salem, MA", "the quotation mark in 'class=\"Salem, MA' is not closed"));
  for (const char* where : {"class=cat|", "class=|cat", "class=cat||cat"})
    EXPECT_TRUE(refused(where, "a value of class missing beside |"));
  EXPECT_TRUE(
      refused("class>cat", "the values of class are names, which only = and != compare; it takes cat"));
}

TEST(Where, SelectedItemsSatisfyTheConditions) {
  const Dsprites dataset;
  const auto items = select_items(dataset, "shape=heart,scale>0.6,posY<=0.5");
  EXPECT_TRUE(std::ranges::is_sorted(items));
  for (std::size_t i = 0; i < items.size(); i += 101) {
    const DspritesFactors f = dsprites_factors(items[i]);
    ASSERT_TRUE(f.shape == 2 && f.scale > 1 && f.pos_y <= 15) << items[i];
  }
}

TEST(Where, SaysWhatIsWrong) {
  const Dsprites dataset;
  const auto refused = [&](const char* where, const char* message) {
    return fails_with<UsageError>([&] { select_items(dataset, where); }, message);
  };
  EXPECT_TRUE(
      refused("shap=heart",
              "no factor 'shap' (did you mean 'shape'?); there are: shape, scale, orientation, posX, posY"));
  EXPECT_TRUE(refused("shape=hart",
                      "shape is never 'hart' (did you mean 'heart'?); it takes square, ellipse, heart"));
  EXPECT_TRUE(refused("scale=0.55", "scale is never '0.55'; it takes 0.5, 0.6, 0.7, 0.8, 0.9, 1"));
  EXPECT_TRUE(refused("posX=7", "32 values from 0 to 1"));
  EXPECT_TRUE(refused("scale>big", "'scale>big' does not compare with a number; scale takes 0.5"));
  EXPECT_TRUE(refused("scale>nan", "does not compare with a number"));
  EXPECT_TRUE(refused("scale>0.6|0.7", "does not compare with a number"));
  EXPECT_TRUE(refused("shape>1", "the values of shape are names"));
  for (const char* malformed :
       {"shape", "shape=", "=heart", "shape=>heart", "shape=heart,,scale=1", "shape!heart"})
    EXPECT_TRUE(refused(malformed, "is not of the form factor=value")) << malformed;
  EXPECT_TRUE(fails_with<UsageError>([&] { filter(small_dataset(3), "parity=0,third=1,parity=1"); },
                                     "no item of small satisfies"));
  const auto plain = std::make_shared<ArrayDataset>("plain", make_array(Dtype::u8, {2, 3, 3}));
  EXPECT_TRUE(
      fails_with<UsageError>([&] { filter(plain, "class=1"); }, "no factor 'class'; there are: none"));
}

TEST(Filter, SaysThatADataSetsOwnTestSplitIsGone) {
  const auto whole = small_dataset(20, 1);  // item 19 is for the test
  EXPECT_TRUE(test::has_note(*filter(whole, "parity=0"),
                             "own test split satisfies 'parity=0': the test images are drawn"));
  EXPECT_TRUE(filter(whole, "parity=1")->info().notes.empty());
}

TEST(Filter, GivesADataSetOfTheSelected) {
  const auto whole = small_dataset(20, 5);
  EXPECT_EQ(filter(whole, " "), whole);
  const auto odd = filter(whole, "parity=1");
  ASSERT_EQ(odd->size(), 10);
  EXPECT_EQ(odd->info().test_size, 3);  // 15, 17, 19 of 15 … 19
  const std::vector<std::int64_t> items{9, 0, 3}, base_items{19, 1, 7};
  std::vector<float> images(18), expected(18);
  odd->gather(items, images.data());
  whole->gather(base_items, expected.data());
  EXPECT_EQ(images, expected);
  std::vector<std::int64_t> factors(6);
  odd->gather_factors(items, factors.data());
  EXPECT_EQ(factors, (std::vector<std::int64_t>{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(make_split(*odd, 0, 0.5, 1).test, (std::vector<std::int64_t>{7, 8, 9}));
}

TEST(Filter, GathersMoreItemsThanFitOnePiece) {
  const auto whole = small_dataset(2000);
  const auto odd = filter(whole, "parity=1");
  const auto items = test::all_items(1000);
  std::vector<float> images(6000), expected(6);
  odd->gather(items, images.data());
  for (std::size_t n = 0; n < 1000; ++n) {
    const auto base = static_cast<std::int64_t>(2 * n + 1);
    whole->gather({&base, 1}, expected.data());
    ASSERT_EQ(std::vector<float>(images.begin() + 6 * static_cast<std::ptrdiff_t>(n),
                                 images.begin() + 6 * static_cast<std::ptrdiff_t>(n) + 6),
              expected);
  }
}

}  // namespace
}  // namespace cuelbo
