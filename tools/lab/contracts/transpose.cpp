#include "kernels/transpose/transpose_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

struct TransposeContract {
  static constexpr const char* measured[] = {"batch=1,rows=4096,columns=4096",
                                             "batch=256,rows=1024,columns=32"};
  kernels::Transpose args;
  void describe(Visit& v) {
    v.size("batch", args.batch, 1);
    v.size("rows", args.rows, 512);
    v.size("columns", args.columns, 512);
    v.input("x", args.x, {args.batch, args.rows, args.columns});
    v.output("y", args.y, {args.batch, args.columns, args.rows});
  }
  void reference(Doubles& d) const {
    kernels::reference::transpose(args.batch, args.rows, args.columns, d("x"), d("y"));
  }
};

std::vector<Shape> shapes() {
  std::vector<Shape> list = all_matrices("columns");
  for (std::size_t i = 0; i < list.size(); ++i) list[i]["batch"] = static_cast<double>(i % 4);
  // More matrices and more rows than the grid has blocks for.
  list.push_back({{"batch", 1027}, {"rows", 2}, {"columns", 3}});
  list.push_back({{"batch", 1}, {"rows", 32770}, {"columns", 2}});
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_transpose() {
  return described<TransposeContract>(shapes(), {.exact_on_integers = true, .non_finite = NonFinite::exact});
}

}  // namespace cuelbo::lab
