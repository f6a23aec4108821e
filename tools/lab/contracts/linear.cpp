#include "kernels/linear/linear_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

struct Sizes {
  static constexpr const char* measured[] = {"rows=128,in=784,out=400", "rows=1024,in=1024,out=256"};
  static constexpr const char* counted = "rows=256,in=256,out=256";
};

struct Forward : Sizes {
  LinearForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 128);
    v.size("in", args.in, 784);
    v.size("out", args.out, 400);
    v.size("activation", args.activation, 1);
    v.factor("x", args.x, {args.rows, args.in});
    v.factor("weight", args.weight, {args.out, args.in}, fan(args.in));
    if (v.option("bias", true)) v.input("bias", args.bias, {args.out});
    v.output("y", args.y, {args.rows, args.out});
  }
  void reference(Doubles& d) const {
    reference::linear_forward(args, d("x"), d("weight"), d("bias"), d("y"));
  }
};

struct BackwardData : Sizes {
  LinearBackwardData args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 128);
    v.size("in", args.in, 784);
    v.size("out", args.out, 400);
    v.size("activation", args.activation, 1);
    v.factor("dy", args.dy, {args.rows, args.out});
    v.factor("weight", args.weight, {args.out, args.in}, fan(args.out));
    if (args.activation != Activation::identity) v.input("x", args.x, {args.rows, args.in});
    v.output("dx", args.dx, {args.rows, args.in});
  }
  void reference(Doubles& d) const {
    reference::linear_backward_data(args, d("dy"), d("weight"), d("x"), d("dx"));
  }
};

struct BackwardWeight : Sizes {
  LinearBackwardWeight args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 128);
    v.size("in", args.in, 784);
    v.size("out", args.out, 400);
    v.factor("x", args.x, {args.rows, args.in});
    v.factor("dy", args.dy, {args.rows, args.out}, fan(args.rows));
    v.output("dweight", args.dweight, {args.out, args.in});
    if (v.option("bias", true)) v.output("dbias", args.dbias, {args.out});
  }
  void reference(Doubles& d) const {
    // The bias gradient has no factors: it sums dy as it is.
    reference::linear_backward_weight(args, d("x"), d.original("dy"), d("dweight"), d("dbias"));
    reference::linear_backward_weight<double>(args, d("x"), d("dy"), d("dweight"), nullptr);
  }
};

std::vector<Shape> shapes(bool activations) {
  std::vector<Shape> list;
  int i = 0;
  for (const auto& [rows, in, out] : std::vector<std::array<double, 3>>{{1, 1, 1},
                                                                        {0, 3, 5},
                                                                        {3, 0, 5},
                                                                        {5, 3, 0},
                                                                        {2, 3, 5},
                                                                        {7, 13, 11},
                                                                        {15, 16, 17},
                                                                        {16, 17, 15},
                                                                        {31, 32, 33},
                                                                        {64, 64, 64},
                                                                        {63, 65, 64},
                                                                        {65, 63, 65},
                                                                        {1, 784, 400},
                                                                        {128, 784, 80},
                                                                        {128, 200, 20},
                                                                        {128, 20, 200},
                                                                        {129, 257, 127}}) {
    Shape shape{{"rows", rows}, {"in", in}, {"out", out}};
    if (activations) shape["activation"] = i++ % 5;
    list.push_back(shape);
  }
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_linear_forward() {
  return described<Forward>(shapes(true), {.exact_on_integers = true, .non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_linear_backward_data() {
  return described<BackwardData>(shapes(true), {.exact_on_integers = true, .non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_linear_backward_weight() {
  return described<BackwardWeight>(shapes(false),
                                   {.exact_on_integers = true, .non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
