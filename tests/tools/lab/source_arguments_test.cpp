// What --args says of the arguments of a user's kernel.
#include "tools/lab/source/arguments.hpp"

#include <gmock/gmock.h>

#include "engine/error.hpp"

namespace cuelbo::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    parse_source_arguments(text);
    return "no error";
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(SourceArguments, AreArraysAndScalars) {
  const auto a =
      parse_source_arguments("f32[1024] out; f32x4[8]=random; u32[4]=zeros out ; i32=1024; f32=-0.5;");
  ASSERT_EQ(a.size(), 5U);
  EXPECT_TRUE(a[0].array);
  EXPECT_EQ(a[0].type, "float");
  EXPECT_EQ(a[0].buffer.role, Role::output);
  EXPECT_THAT(a[0].buffer.dims, ElementsAre(1024));
  EXPECT_EQ(a[1].type, "float4");
  EXPECT_EQ(a[1].buffer.role, Role::input);
  EXPECT_THAT(a[1].buffer.dims, ElementsAre(32));
  EXPECT_EQ(a[2].buffer.role, Role::updated);
  EXPECT_EQ(a[2].buffer.fill.kind, Fill::Kind::constant);
  EXPECT_EQ(a[2].buffer.fill.scale, 0);
  EXPECT_FALSE(a[3].array);
  EXPECT_EQ(a[3].value, "1024");
  EXPECT_EQ(a[4].type, "float");
  EXPECT_EQ(a[4].value, "-0.5");
  EXPECT_TRUE(parse_source_arguments("").empty());
}

TEST(SourceArguments, SayWhatIsWrong) {
  EXPECT_THAT(refusal("f33[2]"), HasSubstr("'f33' is no type"));
  EXPECT_THAT(refusal("f32[2"), HasSubstr("'f32[2' is not understood"));
  EXPECT_THAT(refusal("f32[0]"), HasSubstr("from 1 on"));
  EXPECT_THAT(refusal("f32[1.5]"), HasSubstr("whole number"));
  EXPECT_THAT(refusal("f32[n]"), HasSubstr("'n' is no number"));
  EXPECT_THAT(refusal("f32[2]=rnadom"), HasSubstr("'rnadom' is no number"));
  EXPECT_THAT(refusal("f32"), HasSubstr("is not understood"));
  EXPECT_THAT(refusal("i32=0.5"), HasSubstr("whole numbers"));
  EXPECT_THAT(refusal("f32x4=1"), HasSubstr("is not understood"));
  EXPECT_THAT(refusal("f32=nan"), HasSubstr("is no number"));
}

}  // namespace
}  // namespace cuelbo::lab
