// --shape: a size or factor is what the user wrote, or it is refused.
#include <gmock/gmock.h>

#include "engine/error.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& kernel, const std::string& shape) {
  try {
    find_contract(kernel).complete(parse_shape(shape));
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Shape, IsNeverNarrowed) {
  EXPECT_EQ(refusal("affine", "count=4,factor=3.4e38,offset=-1e-45"), "no error");
  EXPECT_THAT(refusal("affine", "factor=1e39"),
              HasSubstr("factor=1e+39: it must be between -3.40282e+38 and 3.40282e+38"));
  EXPECT_THAT(refusal("affine", "offset=-1e-60"), HasSubstr("offset=-1e-60: it would become 0"));
  EXPECT_THAT(refusal("affine", "count=9007199254740993"), HasSubstr("at most 9007199254740991"));
  EXPECT_THAT(refusal("affine", "count=-1"), HasSubstr("a whole number of at least 0"));
  EXPECT_THAT(refusal("affine", "count=0.5"), HasSubstr("a whole number of at least 0"));
  EXPECT_THAT(refusal("conv2d_forward", "stride=4294967297"), HasSubstr("conv2d_forward: "));
  EXPECT_THAT(refusal("affine", "count=1e15"), HasSubstr("GiB of memory"));
  EXPECT_THAT(refusal("linear_forward", "rows=4294967296,in=4294967296"), HasSubstr("linear_forward: "));
  for (const std::string text : {"nan", "inf", "-inf", "1e999", "0x10", "1x", "", " 1", "1 ", "--1"})
    EXPECT_THAT(refusal("affine", "count=" + text),
                HasSubstr("--shape: 'count=" + text + "' is not of the form name=number"));
}

TEST(Shape, HasNoEmptyParts) {
  EXPECT_TRUE(parse_shape("").empty());
  for (const std::string text : {"count=4,", ",count=4", "count=4,,factor=2", ","})
    EXPECT_THAT(refusal("affine", text), HasSubstr("--shape: '' is not of the form name=number")) << text;
  EXPECT_THAT(refusal("affine", "count"), HasSubstr("'count' is not of the form name=number"));
}

}  // namespace
}  // namespace cuelbo::lab
