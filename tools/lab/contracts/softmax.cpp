#include "kernels/softmax/softmax_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

struct Sizes {
  static constexpr const char* measured[] = {"rows=65536,classes=10"};
};

struct Forward : Sizes {
  SoftmaxForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("classes", args.classes, 10, 1);
    v.input("logits", args.logits, {args.rows, args.classes}, scaled(3));
    if (v.option("probabilities", true))
      v.output("probabilities", args.probabilities, {args.rows, args.classes});
    if (v.option("log_probabilities", true))
      v.output("log_probabilities", args.log_probabilities, {args.rows, args.classes});
  }
  void reference(Doubles& d) const {
    reference::softmax_forward(args.rows, args.classes, d("logits"), d("probabilities"),
                               d("log_probabilities"));
  }
};

struct Backward : Sizes {
  SoftmaxBackward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("classes", args.classes, 10, 1);
    const std::vector<std::int64_t> dims{args.rows, args.classes};
    v.input("probabilities", args.probabilities, dims,
            {.kind = Fill::Kind::probabilities, .row = args.classes});
    if (v.option("dprobabilities", true)) v.input("dprobabilities", args.dprobabilities, dims);
    if (v.option("dlog_probabilities", true))
      v.input("dlog_probabilities", args.dlog_probabilities, dims, fan(args.classes));
    v.output("dlogits", args.dlogits, dims);
  }
  void reference(Doubles& d) const {
    reference::softmax_backward(args.rows, args.classes, d("probabilities"), d("dprobabilities"),
                                d("dlog_probabilities"), d("dlogits"));
  }
};

}  // namespace

std::unique_ptr<Contract> describe_softmax_forward() {
  return described<Forward>(matrices("classes"), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_softmax_backward() {
  return described<Backward>(matrices("classes"), {.non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
