#include "kernels/elementwise/elementwise_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

template <class Args, auto compute>
struct Binary {
  Args args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.input("a", args.a, {args.count});
    v.input("b", args.b, {args.count});
    v.output("y", args.y, {args.count});
  }
  void reference(Doubles& d) const { compute(args.count, d("a"), d("b"), d("y")); }
};

struct AffineContract {
  Affine args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.size("factor", args.factor, 2);
    v.size("offset", args.offset, -0.5);
    v.input("x", args.x, {args.count});
    v.output("y", args.y, {args.count});
  }
  void reference(Doubles& d) const {
    reference::affine<double>(args.count, args.factor, args.offset, d("x"), d("y"));
  }
};

struct ExpContract {
  Exp args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.input("x", args.x, {args.count}, scaled(5));
    v.output("y", args.y, {args.count});
  }
  void reference(Doubles& d) const { reference::exp(args.count, d("x"), d("y")); }
};

struct ScaleRowsContract {
  static constexpr const char* measured[] = {"rows=1024,columns=4096"};
  ScaleRows args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 256);
    v.size("columns", args.columns, 4096);
    v.input("x", args.x, {args.rows, args.columns});
    v.input("scale", args.scale, {args.rows});
    v.output("y", args.y, {args.rows, args.columns});
  }
  void reference(Doubles& d) const {
    reference::scale_rows(args.rows, args.columns, d("x"), d("scale"), d("y"));
  }
};

struct FillContract {
  kernels::Fill args;
  void describe(Visit& v) {
    v.size("count", args.count, 1 << 20);
    v.size("value", args.value, 1.5);
    v.output("y", args.y, {args.count});
  }
  void reference(Doubles& d) const { reference::fill<double>(args.count, args.value, d("y")); }
};

// The columns of y that are not copied stay as they are.
struct CopyColumnsContract {
  static constexpr const char* measured[] = {"rows=65536,columns=64"};
  CopyColumns args;
  void describe(Visit& v) {
    v.size("rows", args.rows, 1024);
    v.size("columns", args.columns, 10);
    const auto columns = static_cast<double>(args.columns);
    v.size("x_stride", args.x_stride, columns + 3, columns);
    v.size("y_stride", args.y_stride, columns + 1, columns);
    v.input("x", args.x, {args.rows, args.x_stride});
    v.updated("y", args.y, {args.rows, args.y_stride});
  }
  void reference(Doubles& d) const {
    reference::copy_columns(args.rows, args.columns, args.x_stride, args.y_stride, d("x"), d("y"));
  }
};

constexpr ContractOptions exact{.exact_on_integers = true, .non_finite = NonFinite::exact};

}  // namespace

std::unique_ptr<Contract> describe_add() {
  return described<Binary<Add, &reference::add<double>>>(counts(), exact);
}
std::unique_ptr<Contract> describe_multiply() {
  return described<Binary<Multiply, &reference::multiply<double>>>(counts(), exact);
}
std::unique_ptr<Contract> describe_affine() { return described<AffineContract>(counts(), exact); }
std::unique_ptr<Contract> describe_exp() {
  return described<ExpContract>(counts(), {.non_finite = NonFinite::exact});
}
std::unique_ptr<Contract> describe_scale_rows() {
  return described<ScaleRowsContract>(all_matrices("columns"), exact);
}
std::unique_ptr<Contract> describe_fill() { return described<FillContract>(counts(), exact); }
std::unique_ptr<Contract> describe_copy_columns() {
  return described<CopyColumnsContract>(all_matrices("columns"), exact);
}

}  // namespace cuelbo::lab
