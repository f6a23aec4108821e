#include "kernels/bernoulli/bernoulli_reference.hpp"
#include "kernels/gaussian/gaussian_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

constexpr Fill grey{.kind = Fill::Kind::uniform};

struct Bernoulli {
  static constexpr const char* measured[] = {"rows=1024,pixels=4096"};
  BernoulliForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 256);
    v.size("pixels", args.pixels, 4096);
    v.input("logits", args.logits, {args.rows, args.pixels}, scaled(3));
    v.input("target", args.target, {args.rows, args.pixels}, grey);
    v.output("log_likelihood", args.log_likelihood, {args.rows});
    if (v.option("dlogits", true)) v.output("dlogits", args.dlogits, {args.rows, args.pixels});
  }
  void reference(Doubles& d) const {
    reference::bernoulli_forward(args.rows, args.pixels, d("logits"), d("target"), d("log_likelihood"),
                                 d("dlogits"));
  }
};

struct Likelihood {
  static constexpr const char* measured[] = {"rows=1024,pixels=4096"};
  GaussianLikelihoodForward args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 256);
    v.size("pixels", args.pixels, 4096);
    v.size("deviation", args.deviation, 0.5);
    v.require(args.deviation > 0, "deviation > 0");
    v.input("mean", args.mean, {args.rows, args.pixels});
    v.input("target", args.target, {args.rows, args.pixels}, grey);
    v.output("log_likelihood", args.log_likelihood, {args.rows});
    if (v.option("dmean", true)) v.output("dmean", args.dmean, {args.rows, args.pixels});
  }
  void reference(Doubles& d) const {
    reference::gaussian_likelihood_forward<double>(args.rows, args.pixels, args.deviation, d("mean"),
                                                   d("target"), d("log_likelihood"), d("dmean"));
  }
};

struct Density {
  GaussianDensityForward args;
  void describe(Visit& v) {
    v.size("count", args.count, 10240);
    v.input("z", args.z, {args.count});
    if (v.option("parameters", true)) {
      v.input("mean", args.mean, {args.count});
      v.input("logvar", args.logvar, {args.count});
    }
    v.output("log_density", args.log_density, {args.count});
  }
  void reference(Doubles& d) const {
    reference::gaussian_density_forward(args.count, d("z"), d("mean"), d("logvar"), d("log_density"));
  }
};

struct DensityGradient {
  GaussianDensityBackward args;
  void describe(Visit& v) {
    v.size("count", args.count, 10240);
    v.input("z", args.z, {args.count});
    const bool parameters = v.option("parameters", true);
    if (parameters) {
      v.input("mean", args.mean, {args.count});
      v.input("logvar", args.logvar, {args.count});
    }
    v.input("dlog_density", args.dlog_density, {args.count});
    v.output("dz", args.dz, {args.count});
    if (parameters) {
      v.output("dmean", args.dmean, {args.count});
      v.output("dlogvar", args.dlogvar, {args.count});
    }
  }
  void reference(Doubles& d) const {
    reference::gaussian_density_backward(args.count, d("z"), d("mean"), d("logvar"), d("dlog_density"),
                                         d("dz"), d("dmean"), d("dlogvar"));
  }
};

std::vector<Shape> with_and_without_parameters() {
  std::vector<Shape> list = counts();
  for (std::size_t i = 0; i < list.size(); ++i) list[i]["parameters"] = i % 2 == 0 ? 0 : 1;
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_bernoulli_forward() {
  return described<Bernoulli>(all_matrices("pixels"), {.non_finite = NonFinite::spreads});
}
std::unique_ptr<Contract> describe_gaussian_likelihood_forward() {
  return described<Likelihood>(all_matrices("pixels"), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_gaussian_density_forward() {
  return described<Density>(with_and_without_parameters(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_gaussian_density_backward() {
  return described<DensityGradient>(with_and_without_parameters(), {.non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
