#include "kernels/activation/activation_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

struct Forward {
  ActivationForward args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.size("activation", args.activation, 1);
    v.input("x", args.x, {args.count});
    v.output("y", args.y, {args.count});
  }
  void reference(Doubles& d) const {
    reference::activation_forward(args.count, args.activation, d("x"), d("y"));
  }
};

struct Backward {
  ActivationBackward args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.size("activation", args.activation, 1);
    v.input("y", args.y, {args.count});
    v.input("dy", args.dy, {args.count});
    v.output("dx", args.dx, {args.count});
  }
  void reference(Doubles& d) const {
    reference::activation_backward(args.count, args.activation, d("y"), d("dy"), d("dx"));
  }
};

std::vector<Shape> shapes() {
  std::vector<Shape> list = counts();
  int i = 0;
  for (Shape& shape : list) shape["activation"] = i++ % 5;
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_activation_forward() {
  return described<Forward>(shapes(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_activation_backward() {
  return described<Backward>(shapes(), {.non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
