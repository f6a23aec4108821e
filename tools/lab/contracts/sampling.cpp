#include "kernels/concrete/concrete_reference.hpp"
#include "kernels/reparameterize/reparameterize_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

StepCounter counter_of(Doubles& d) {
  const double* const counter = d("counter");
  return {.seed = static_cast<std::uint64_t>(counter[0]), .step = static_cast<std::uint64_t>(counter[1])};
}

// Mean and logvar stand side by side in rows of `stride`, as an encoder leaves them.
struct LatentSizes {
  static constexpr const char* measured[] = {"rows=1024,dims=10", "rows=65536,dims=64"};
  static constexpr const char* counted = "rows=1024,dims=64";
};

struct Reparameterize : LatentSizes {
  ReparameterizeForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("dims", args.dims, 10);
    v.size("stride", args.stride, static_cast<double>(args.dims), static_cast<double>(args.dims));
    v.size("operation", args.operation, 3);
    v.input("mean", args.mean, {args.rows, args.stride});
    v.input("logvar", args.logvar, {args.rows, args.stride});
    v.counter("counter", args.counter);
    v.output("z", args.z, {args.rows, args.dims});
  }
  void reference(Doubles& d) const {
    reference::reparameterize_forward(args.rows, args.dims, args.stride, d("mean"), d("logvar"),
                                      counter_of(d), args.operation, d("z"));
  }
  std::vector<double> noise(Doubles& d) const {
    std::vector<double> epsilon;
    for (std::int64_t b = 0; b < args.rows; ++b)
      for (std::int64_t k = 0; k < args.dims; ++k) {
        const std::int64_t wide = b * args.stride + k;
        epsilon.push_back((d("z")[b * args.dims + k] - d("mean")[wide]) / std::exp(d("logvar")[wide] / 2));
      }
    return epsilon;
  }
};

struct ReparameterizeGradient : LatentSizes {
  ReparameterizeBackward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("dims", args.dims, 10);
    v.size("stride", args.stride, static_cast<double>(args.dims), static_cast<double>(args.dims));
    v.size("operation", args.operation, 3);
    v.input("logvar", args.logvar, {args.rows, args.stride});
    v.counter("counter", args.counter);
    v.input("dz", args.dz, {args.rows, args.dims});
    // Columns beyond `dims` belong to others and stay as they are.
    v.updated("dmean", args.dmean, {args.rows, args.stride});
    v.updated("dlogvar", args.dlogvar, {args.rows, args.stride});
  }
  void reference(Doubles& d) const {
    reference::reparameterize_backward(args.rows, args.dims, args.stride, d("logvar"), counter_of(d),
                                       args.operation, d("dz"), d("dmean"), d("dlogvar"));
  }
};

struct Concrete {
  static constexpr const char* measured[] = {"rows=65536,classes=10"};
  ConcreteForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("classes", args.classes, 10, 1);
    v.size("temperature", args.temperature, 0.66);
    v.require(args.temperature > 0, "temperature > 0");
    v.size("operation", args.operation, 5);
    v.input("logits", args.logits, {args.rows, args.classes});
    v.counter("counter", args.counter);
    v.output("y", args.y, {args.rows, args.classes});
  }
  void reference(Doubles& d) const {
    reference::concrete_forward<double>(args.rows, args.classes, args.temperature, d("logits"), counter_of(d),
                                        args.operation, d("y"));
  }
};

struct ConcreteGradient {
  static constexpr const char* measured[] = {"rows=65536,classes=10"};
  ConcreteBackward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("classes", args.classes, 10, 1);
    v.size("temperature", args.temperature, 0.66);
    v.require(args.temperature > 0, "temperature > 0");
    v.input("y", args.y, {args.rows, args.classes}, {.kind = Fill::Kind::probabilities, .row = args.classes});
    v.input("dy", args.dy, {args.rows, args.classes});
    v.output("dlogits", args.dlogits, {args.rows, args.classes});
  }
  void reference(Doubles& d) const {
    reference::concrete_backward<double>(args.rows, args.classes, args.temperature, d("y"), d("dy"),
                                         d("dlogits"));
  }
};

std::vector<Shape> latents() {
  std::vector<Shape> list = matrices("dims");
  for (std::size_t i = 0; i < list.size(); ++i)
    list[i]["stride"] = list[i]["dims"] * (1 + i % 2) + (i % 3 == 2 ? 1 : 0);
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_reparameterize_forward() {
  return described<Reparameterize>(latents(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_reparameterize_backward() {
  return described<ReparameterizeGradient>(latents(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_concrete_forward() {
  return described<Concrete>(matrices("classes"), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_concrete_backward() {
  return described<ConcreteGradient>(matrices("classes"), {.non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
