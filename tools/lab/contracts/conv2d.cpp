#include "kernels/bias/bias_reference.hpp"
#include "kernels/conv2d/conv2d_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

void describe_shape(Visit& v, Conv2dShape& s) {
  v.size("batch", s.batch, 64);
  v.size("large_height", s.large_height, 32);
  v.size("large_width", s.large_width, 32);
  v.size("large_channels", s.large_channels, 32, 1);
  v.size("small_channels", s.small_channels, 32, 1);
  v.size("kernel", s.kernel, 4);
  v.size("stride", s.stride, 2, 1);
  v.size("padding", s.padding, 1);
  if (s.kernel < 1 || s.kernel > 16 || s.stride < 1 || s.stride > 8 || s.padding < 0 ||
      s.padding >= s.kernel || s.large_height + 2 * s.padding < s.kernel ||
      s.large_width + 2 * s.padding < s.kernel)
    usage_fail("no such convolution: 1 ≤ kernel ≤ 16, 1 ≤ stride ≤ 8, 0 ≤ padding < kernel ≤ padded image");
  s.small_height = (s.large_height + 2 * s.padding - s.kernel) / s.stride + 1;
  s.small_width = (s.large_width + 2 * s.padding - s.kernel) / s.stride + 1;
}
std::vector<std::int64_t> large(const Conv2dShape& s) {
  return {s.batch, s.large_height, s.large_width, s.large_channels};
}
std::vector<std::int64_t> small(const Conv2dShape& s) {
  return {s.batch, s.small_height, s.small_width, s.small_channels};
}
std::vector<std::int64_t> weight(const Conv2dShape& s) {
  return {s.small_channels, s.kernel, s.kernel, s.large_channels};
}

struct Sizes {
  static constexpr const char* measured[] = {
      "batch=256,large_height=64,large_width=64,large_channels=1,small_channels=32",
      "batch=256,large_height=32,large_width=32,large_channels=32,small_channels=32",
      "batch=256,large_height=16,large_width=16,large_channels=32,small_channels=64"};
  static constexpr const char* counted =
      "batch=4,large_height=32,large_width=32,large_channels=32,small_channels=32";
};

struct Forward : Sizes {
  Conv2dForward args;
  void describe(Visit& v) {
    const Conv2dShape& s = args.shape;
    describe_shape(v, args.shape);
    v.size("activation", args.activation, 1);
    v.size("gradient_activation", args.gradient_activation, 0);
    v.factor("large", args.large, large(s));
    v.factor("weight", args.weight, weight(s), fan(s.kernel * s.kernel * s.large_channels));
    if (v.option("bias", true)) v.input("bias", args.bias, {s.small_channels});
    if (args.gradient_activation != Activation::identity) v.input("saved", args.saved, small(s));
    v.output("small", args.small, small(s));
  }
  void reference(Doubles& d) const {
    reference::conv2d_forward(args, d("large"), d("weight"), d("bias"), d("saved"), d("small"));
  }
};

struct BackwardData : Sizes {
  Conv2dBackwardData args;
  void describe(Visit& v) {
    const Conv2dShape& s = args.shape;
    describe_shape(v, args.shape);
    v.size("activation", args.activation, 0);
    v.size("gradient_activation", args.gradient_activation, 1);
    v.factor("small", args.small, small(s));
    v.factor("weight", args.weight, weight(s), fan(s.kernel * s.kernel * s.small_channels));
    if (v.option("bias", false)) v.input("bias", args.bias, {s.large_channels});
    if (args.gradient_activation != Activation::identity) v.input("saved", args.saved, large(s));
    v.output("large", args.large, large(s));
  }
  void reference(Doubles& d) const {
    reference::conv2d_backward_data(args, d("small"), d("weight"), d("bias"), d("saved"), d("large"));
  }
};

struct BackwardWeight : Sizes {
  Conv2dBackwardWeight args;
  void describe(Visit& v) {
    const Conv2dShape& s = args.shape;
    describe_shape(v, args.shape);
    v.factor("large", args.large, large(s));
    v.factor("small", args.small, small(s), fan(s.batch * s.small_height * s.small_width));
    v.output("dweight", args.dweight, weight(s));
  }
  void reference(Doubles& d) const {
    reference::conv2d_backward_weight(args, d("large"), d("small"), d("dweight"));
  }
};

struct Bias {
  static constexpr const char* measured[] = {"rows=262144,channels=32"};
  BiasBackward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 65536);
    v.size("channels", args.channels, 32);
    v.input("dy", args.dy, {args.rows, args.channels}, fan(args.rows));
    v.output("dbias", args.dbias, {args.channels});
  }
  void reference(Doubles& d) const { reference::bias_backward(args, d("dy"), d("dbias")); }
};

// Batch, height, width, channels of the large image, channels of the small one, kernel, stride, padding.
std::vector<Shape> shapes(bool epilogue) {
  std::vector<Shape> list;
  int i = 0;
  for (const auto& [b, h, w, l, s, k, stride, padding] :
       std::vector<std::array<double, 8>>{{1, 1, 1, 1, 1, 1, 1, 0},
                                          {0, 5, 7, 3, 2, 3, 1, 1},
                                          {2, 5, 7, 3, 2, 3, 1, 1},
                                          {3, 7, 5, 2, 5, 3, 2, 0},
                                          {1, 9, 9, 5, 3, 5, 3, 4},
                                          {2, 8, 8, 17, 15, 4, 2, 1},
                                          {3, 16, 16, 1, 32, 4, 2, 1},
                                          {2, 16, 16, 3, 32, 4, 2, 1},
                                          {2, 16, 16, 32, 32, 4, 2, 1},
                                          {5, 8, 8, 32, 64, 4, 2, 1},
                                          {5, 4, 4, 64, 64, 4, 2, 1},
                                          {2, 7, 7, 64, 33, 4, 1, 0},
                                          {2, 10, 6, 4, 4, 2, 2, 0}}) {
    Shape shape{{"batch", b},          {"large_height", h}, {"large_width", w}, {"large_channels", l},
                {"small_channels", s}, {"kernel", k},       {"stride", stride}, {"padding", padding}};
    if (epilogue) {
      shape["activation"] = i % 5;
      shape["gradient_activation"] = (i / 2) % 3;
      shape["bias"] = i % 2;
      ++i;
    }
    list.push_back(shape);
  }
  return list;
}

constexpr ContractOptions exact{.exact_on_integers = true};

}  // namespace

std::unique_ptr<Contract> describe_conv2d_forward() { return described<Forward>(shapes(true), exact); }
std::unique_ptr<Contract> describe_conv2d_backward_data() {
  return described<BackwardData>(shapes(true), exact);
}
std::unique_ptr<Contract> describe_conv2d_backward_weight() {
  return described<BackwardWeight>(shapes(false), exact);
}
std::unique_ptr<Contract> describe_bias_backward() {
  return described<Bias>(matrices("channels"), {.exact_on_integers = true, .non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
