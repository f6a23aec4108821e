#include "kernels/batch_norm/batch_norm_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

constexpr Fill positive{.kind = Fill::Kind::uniform, .scale = 1, .offset = 0.5};

struct Sizes {
  static constexpr const char* measured[] = {"rows=65536,channels=64"};
};

struct Forward : Sizes {
  BatchNormForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 16384, 2);
    v.size("channels", args.channels, 32);
    v.size("activation", args.activation, 1);
    v.input("x", args.x, {args.rows, args.channels}, scaled(2, 1));
    v.input("scale", args.scale, {args.channels});
    v.input("shift", args.shift, {args.channels});
    v.updated("running_mean", args.running_mean, {args.channels});
    v.updated("running_variance", args.running_variance, {args.channels}, positive);
    v.output("mean", args.mean, {args.channels});
    v.output("inverse_deviation", args.inverse_deviation, {args.channels});
    v.output("y", args.y, {args.rows, args.channels});
  }
  void reference(Doubles& d) const {
    reference::batch_norm_forward(args.rows, args.channels, d("x"), d("scale"), d("shift"), args.activation,
                                  d("running_mean"), d("running_variance"), d("mean"), d("inverse_deviation"),
                                  d("y"));
  }
};

struct Inference : Sizes {
  BatchNormInference args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 16384);
    v.size("channels", args.channels, 32);
    v.size("activation", args.activation, 1);
    v.input("x", args.x, {args.rows, args.channels});
    v.input("scale", args.scale, {args.channels});
    v.input("shift", args.shift, {args.channels});
    v.input("running_mean", args.running_mean, {args.channels});
    v.input("running_variance", args.running_variance, {args.channels}, positive);
    v.output("y", args.y, {args.rows, args.channels});
  }
  void reference(Doubles& d) const {
    reference::batch_norm_inference(args.rows, args.channels, d("x"), d("scale"), d("shift"), args.activation,
                                    d("running_mean"), d("running_variance"), d("y"));
  }
};

struct Backward : Sizes {
  BatchNormBackward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 16384, 2);
    v.size("channels", args.channels, 32);
    v.input("x", args.x, {args.rows, args.channels});
    v.input("scale", args.scale, {args.channels});
    v.input("mean", args.mean, {args.channels}, scaled(0.1));
    v.input("inverse_deviation", args.inverse_deviation, {args.channels}, positive);
    v.input("dy", args.dy, {args.rows, args.channels}, fan(args.rows));
    v.output("dx", args.dx, {args.rows, args.channels});
    v.output("dscale", args.dscale, {args.channels});
    v.output("dshift", args.dshift, {args.channels});
  }
  void reference(Doubles& d) const {
    reference::batch_norm_backward(args.rows, args.channels, d("x"), d("scale"), d("mean"),
                                   d("inverse_deviation"), d("dy"), d("dx"), d("dscale"), d("dshift"));
  }
};

// At least five rows: with two, only their difference counts, which fp32 may not resolve.
std::vector<Shape> shapes() {
  std::vector<Shape> list = matrices("channels");
  for (Shape& shape : list) shape["rows"] = std::max(5.0, shape["rows"]);
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_batch_norm_forward() {
  return described<Forward>(shapes(), {.tolerance = 3e-5, .non_finite = NonFinite::spreads});
}
std::unique_ptr<Contract> describe_batch_norm_inference() {
  return described<Inference>(shapes(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_batch_norm_backward() {
  return described<Backward>(shapes(), {.tolerance = 3e-5, .non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
