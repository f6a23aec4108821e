// Resolving the names of kernels and variants.
#include "tools/lab/select.hpp"

#include <gmock/gmock.h>

#include "tests/support/error_checks.hpp"

namespace cuelbo::test {
namespace {

using testing::ElementsAre;

const std::vector<KernelVariant> all{{.kernel = "add", .name = "scalar"},
                                     {.kernel = "add", .name = "float4", .trained = true},
                                     {.kernel = "add", .name = "thrust", .library = "Thrust"},
                                     {.kernel = "adam", .name = "scalar", .trained = true}};

std::vector<std::string> names(const std::string& name) {
  std::vector<std::string> found;
  for (const KernelVariant& v : lab::select(all, name)) found.push_back(v.kernel + "/" + v.name);
  return found;
}

TEST(Select, AKernelIsAllOfItsVariants) {
  EXPECT_THAT(names("add"), ElementsAre("add/scalar", "add/float4", "add/thrust"));
  EXPECT_EQ(names("").size(), 4U);
}

TEST(Select, AVariantHasANameAPlaceOrIsTheBest) {
  EXPECT_THAT(names("add/float4"), ElementsAre("add/float4"));
  EXPECT_THAT(names("add/0"), ElementsAre("add/scalar"));
  EXPECT_THAT(names("add/2"), ElementsAre("add/thrust"));
  EXPECT_THAT(names("add/best"), ElementsAre("add/float4"));
  EXPECT_EQ(lab::select_one(all, "add").name, "float4");
  EXPECT_EQ(lab::select_one(all, "add/0").name, "scalar");
}

TEST(Select, AnythingElseIsAnErrorThatNamesWhatThereIs) {
  EXPECT_TRUE(fails_with<UsageError>([] { lab::select(all, "ad"); },
                                     "there is no kernel 'ad' (did you mean 'add'?)"));
  EXPECT_TRUE(fails_with<UsageError>([] { lab::select(all, "add/3"); }, "add has scalar, float4, thrust"));
  EXPECT_TRUE(fails_with<UsageError>([] { lab::select(all, "add/"); }, "there is no variant 'add/'"));
}

}  // namespace
}  // namespace cuelbo::test
