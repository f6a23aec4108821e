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

}  // namespace

void add_reduce(ContractList& list) {
  using T = KernelTable;
  constexpr ContractOptions exact{.exact_on_integers = true, .non_finite = NonFinite::exact};
  add<Rows>(list, "sum_rows", &T::sum_rows, all_matrices("columns"), exact);
  add<RowsGradient>(list, "broadcast_rows", &T::broadcast_rows, all_matrices("columns"), exact);
  add<Columns>(list, "sum_columns", &T::sum_columns, all_matrices("columns"), exact);
  add<ColumnsGradient>(list, "broadcast_columns", &T::broadcast_columns, all_matrices("columns"), exact);
  add<Squares>(list, "sum_of_squares", &T::sum_of_squares, counts(), exact);
}

}  // namespace cuelbo::lab
