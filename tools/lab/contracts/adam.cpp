#include "kernels/adam/adam_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

struct AdamContract {
  static constexpr const char* measured[] = {"count=765784", "count=4194304"};
  Adam args;
  void describe(Visit& v) {
    v.size("count", args.count, 765784);
    v.size("beta1", args.beta1, 0.9);
    v.size("beta2", args.beta2, 0.999);
    v.size("epsilon", args.epsilon, 1e-8);
    v.size("clip", args.clip, 1);
    // The members of AdamStep in their order.
    static_assert(sizeof(AdamStep) == 3 * sizeof(float));
    const float* step = nullptr;
    v.input("step", step, {3}, {.kind = Fill::Kind::constant, .scale = 0.01});
    args.step = reinterpret_cast<const AdamStep*>(step);
    v.input("gradient_square_sum", args.gradient_square_sum, {1}, {.kind = Fill::Kind::constant, .scale = 9});
    v.input("gradient", args.gradient, {args.count});
    v.updated("parameter", args.parameter, {args.count});
    v.updated("first", args.first, {args.count}, scaled(0.1));
    v.updated("second", args.second, {args.count}, {.kind = Fill::Kind::uniform, .offset = 0.01});
  }
  void reference(Doubles& d) const {
    const double* const step = d("step");
    reference::adam<double>(args.count, args.beta1, args.beta2, args.epsilon, args.clip, step[0], step[1],
                            step[2], *d("gradient_square_sum"), d("gradient"), d("parameter"), d("first"),
                            d("second"));
  }
};

std::vector<Shape> shapes() {
  std::vector<Shape> list = counts();
  for (std::size_t i = 0; i < list.size(); ++i) list[i]["clip"] = static_cast<double>(i % 2);
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_adam() {
  return described<AdamContract>(shapes(), {.non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
