#include "kernels/reduce/reduce_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

template <class Args>
void describe_matrix(Visit& v, Args& args) {
  v.size("rows", args.rows, 4096);
  v.size("columns", args.columns, 64);
  v.size("factor", args.factor, 0.5);
}

struct Rows {
  static constexpr const char* measured[] = {"rows=65536,columns=64"};
  SumRows args;
  void describe(Visit& v) {
    describe_matrix(v, args);
    v.input("x", args.x, {args.rows, args.columns}, fan(args.rows));
    v.output("y", args.y, {args.columns});
  }
  void reference(Doubles& d) const {
    reference::sum_rows<double>(args.rows, args.columns, args.factor, d("x"), d("y"));
  }
};

struct RowsGradient {
  static constexpr const char* measured[] = {"rows=65536,columns=64"};
  BroadcastRows args;
  void describe(Visit& v) {
    describe_matrix(v, args);
    v.input("dy", args.dy, {args.columns});
    v.output("dx", args.dx, {args.rows, args.columns});
  }
  void reference(Doubles& d) const {
    reference::broadcast_rows<double>(args.rows, args.columns, args.factor, d("dy"), d("dx"));
  }
};

struct Columns {
  static constexpr const char* measured[] = {"rows=65536,columns=64"};
  static constexpr const char* counted = "rows=1024,columns=256";
  SumColumns args;
  void describe(Visit& v) {
    describe_matrix(v, args);
    v.input("x", args.x, {args.rows, args.columns}, fan(args.columns));
    v.output("y", args.y, {args.rows});
  }
  void reference(Doubles& d) const {
    reference::sum_columns<double>(args.rows, args.columns, args.factor, d("x"), d("y"));
  }
};

struct ColumnsGradient {
  static constexpr const char* measured[] = {"rows=65536,columns=64"};
  BroadcastColumns args;
  void describe(Visit& v) {
    describe_matrix(v, args);
    v.input("dy", args.dy, {args.rows});
    v.output("dx", args.dx, {args.rows, args.columns});
  }
  void reference(Doubles& d) const {
    reference::broadcast_columns<double>(args.rows, args.columns, args.factor, d("dy"), d("dx"));
  }
};

struct Squares {
  SumOfSquares args;
  void describe(Visit& v) {
    v.size("count", args.count, 765784);
    v.input("x", args.x, {args.count});
    v.output("y", args.y, {1});
  }
  void reference(Doubles& d) const { reference::sum_of_squares(args.count, d("x"), d("y")); }
};

constexpr ContractOptions exact{.exact_on_integers = true, .non_finite = NonFinite::exact};

}  // namespace

std::unique_ptr<Contract> describe_sum_rows() { return described<Rows>(all_matrices("columns"), exact); }
std::unique_ptr<Contract> describe_broadcast_rows() {
  return described<RowsGradient>(all_matrices("columns"), exact);
}
std::unique_ptr<Contract> describe_sum_columns() {
  return described<Columns>(all_matrices("columns"), exact);
}
std::unique_ptr<Contract> describe_broadcast_columns() {
  return described<ColumnsGradient>(all_matrices("columns"), exact);
}
std::unique_ptr<Contract> describe_sum_of_squares() { return described<Squares>(counts(), exact); }

}  // namespace cuelbo::lab
