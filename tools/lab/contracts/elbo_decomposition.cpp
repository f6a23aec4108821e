#include "kernels/elbo_decomposition/elbo_decomposition_reference.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

namespace {

using namespace kernels;

// An HFVAE's table: the joint, `groups` groups of dimensions of about equal size, the dimensions, and, if there are
// classes, one discrete group, which is part of the joint too. The weights are those of the estimator `hfvae` with
// dataset_size items, if not given.
struct Table {
  std::vector<DensityBlock> blocks;

  void describe(Visit& v, ElboDecompositionShape& s) {
    std::int64_t groups = 0;
    std::int32_t classes = 0;
    double n = 0;
    v.size("rows", s.rows, 256);
    v.size("columns", s.columns, static_cast<double>(s.rows), 2);
    v.size("dims", s.dims, 10, 1);
    v.size("groups", groups, std::min(2.0, static_cast<double>(s.dims)), 1);
    v.require(groups <= s.dims, "groups ≤ dims");
    v.size("classes", classes, 0);
    v.require(classes <= max_block_classes, "classes ≤ 4096");
    static_assert(max_block_classes == 4096);
    v.size("dataset_size", n, 60000);
    v.require(n >= static_cast<double>(s.columns), "dataset_size ≥ columns");
    const auto dims = static_cast<std::int32_t>(s.dims);
    const std::int32_t discrete = classes > 0 ? 1 : 0;
    blocks = {{.dim_begin = 0, .dim_end = dims, .group_begin = 0, .group_end = discrete}};
    for (std::int64_t g = 0; g < groups; ++g)
      blocks.push_back({.dim_begin = static_cast<std::int32_t>(g * dims / groups),
                        .dim_end = static_cast<std::int32_t>((g + 1) * dims / groups)});
    for (std::int32_t d = 0; d < dims; ++d) blocks.push_back({.dim_begin = d, .dim_end = d + 1});
    if (discrete != 0) blocks.push_back({.group_begin = 0, .group_end = 1});
    s.blocks = blocks.data();
    s.block_count = static_cast<std::int32_t>(blocks.size());
    s.group_count = discrete;
    s.classes[0] = classes;
    const auto others = static_cast<double>(s.columns - 1);  // stratified weights, all three different
    v.size("own_weight", s.own_weight, 1 / n);
    v.size("next_weight", s.next_weight, (n - others) / (n * others));
    v.size("other_weight", s.other_weight, 1 / others);
  }
};

// The inputs of both forward and backward. σ is about `deviation`.
template <class Args>
void describe_inputs(Visit& v, Args& args) {
  const ElboDecompositionShape& s = args.shape;
  double deviation = 0;
  v.size("deviation", deviation, 0.6);
  v.require(deviation > 0, "deviation > 0");
  const Fill probabilities{.kind = Fill::Kind::probabilities, .row = s.classes[0]};
  v.input("z", args.z, {s.rows, s.dims});
  v.input("mean", args.mean, {s.columns, s.dims});
  v.input("logvar", args.logvar, {s.columns, s.dims}, scaled(0.5, 2 * std::log(deviation)));
  if (s.group_count > 0) {
    v.input("row_probabilities", args.row_probabilities, {s.rows, s.classes[0]}, probabilities);
    v.input("probabilities", args.probabilities, {s.columns, s.classes[0]}, probabilities);
  }
  if (v.option("own", false))
    v.input("own", args.own, {s.rows},
            {.kind = Fill::Kind::integers, .scale = static_cast<double>(s.columns) + 1, .offset = -1});
}

// Rows are samples of the columns, which they take by turns.
void draw_rows(const ElboDecompositionShape& s, Doubles& d) {
  if (d.given("z")) return;
  const double *const mean = d("mean"), *const logvar = d("logvar");
  double* const z = d("z");
  for (std::int64_t b = 0; b < s.rows; ++b)
    for (std::int64_t k = 0; k < s.dims; ++k) {
      const std::int64_t from = b % s.columns * s.dims + k;
      double& x = z[b * s.dims + k];
      x = static_cast<double>(static_cast<float>(mean[from] + std::exp(logvar[from] / 2) * x));
    }
}

struct ReferenceInputs {
  std::vector<std::int32_t> own;
  reference::ElboDecompositionInputs<double> pointers;

  explicit ReferenceInputs(Doubles& d) : own(d["own"].begin(), d["own"].end()) {
    pointers = {.z = d("z"),
                .mean = d("mean"),
                .logvar = d("logvar"),
                .row_probabilities = d("row_probabilities"),
                .probabilities = d("probabilities"),
                .own = own.empty() ? nullptr : own.data()};
  }
};

struct Sizes {
  static constexpr const char* measured[] = {"rows=128,dims=10,groups=5", "rows=1024,dims=10,groups=5",
                                             "rows=1024,dims=64,groups=8"};
  static constexpr const char* counted = "rows=256,dims=10,groups=5";
};

struct Forward : Sizes {
  ElboDecompositionForward args;
  Table table;
  void describe(Visit& v) {
    table.describe(v, args.shape);
    describe_inputs(v, args);
    v.output("log_q", args.log_q, {args.shape.rows, args.shape.block_count});
    if (args.shape.group_count > 0)
      v.output("log_class_sums", args.log_class_sums, {args.shape.rows, saved_columns(args.shape)});
  }
  void prepare(Doubles& d) const { draw_rows(args.shape, d); }
  void reference(Doubles& d) const {
    reference::elbo_decomposition_forward(args.shape, ReferenceInputs(d).pointers, d("log_q"),
                                          d("log_class_sums"));
  }
};

struct Backward : Sizes {
  ElboDecompositionBackward args;
  Table table;
  void describe(Visit& v) {
    const ElboDecompositionShape& s = args.shape;
    table.describe(v, args.shape);
    describe_inputs(v, args);
    v.input("log_q", args.log_q, {s.rows, s.block_count});
    if (s.group_count > 0) v.input("log_class_sums", args.log_class_sums, {s.rows, saved_columns(s)});
    v.input("dlog_q", args.dlog_q, {s.rows, s.block_count}, fan(s.rows));
    v.output("dz", args.dz, {s.rows, s.dims});
    v.output("dmean", args.dmean, {s.columns, s.dims});
    v.output("dlogvar", args.dlogvar, {s.columns, s.dims});
    if (s.group_count > 0) {
      v.output("drow_probabilities", args.drow_probabilities, {s.rows, s.classes[0]});
      v.output("dprobabilities", args.dprobabilities, {s.columns, s.classes[0]});
    }
  }
  // Backward is given what forward left.
  void prepare(Doubles& d) const {
    draw_rows(args.shape, d);
    reference::elbo_decomposition_forward(args.shape, ReferenceInputs(d).pointers, d("log_q"),
                                          d("log_class_sums"));
  }
  void reference(Doubles& d) const {
    reference::elbo_decomposition_backward<double>(args.shape, ReferenceInputs(d).pointers, d("dlog_q"),
                                                   {.dz = d("dz"),
                                                    .dmean = d("dmean"),
                                                    .dlogvar = d("dlogvar"),
                                                    .drow_probabilities = d("drow_probabilities"),
                                                    .dprobabilities = d("dprobabilities")});
  }
};

// The long sides are those that variants cut into slices of several tiles each: columns, and in the backward pass rows too.
std::vector<Shape> shapes(bool backward) {
  std::vector<std::array<double, 5>> sizes{
      {0, 5, 3, 2, 4},     {1, 2, 1, 1, 0},    {2, 2, 3, 2, 0},    {5, 5, 10, 2, 0},   {31, 31, 7, 3, 0},
      {32, 32, 16, 2, 0},  {33, 33, 17, 4, 0}, {64, 64, 10, 2, 3}, {65, 67, 5, 1, 10}, {3, 257, 10, 2, 0},
      {257, 129, 3, 3, 2}, {64, 63, 64, 8, 0}, {3, 9000, 5, 1, 0}, {3, 9000, 2, 1, 3}};
  if (backward) sizes.insert(sizes.end(), {{9000, 3, 2, 2, 0}, {9000, 3, 2, 1, 3}});
  std::vector<Shape> list;
  for (const auto& [rows, columns, dims, groups, classes] : sizes)
    list.push_back({{"rows", rows},
                    {"columns", columns},
                    {"dims", dims},
                    {"groups", groups},
                    {"classes", classes},
                    {"dataset_size", list.size() % 2 == 0 ? 60000 : 2 * columns},
                    {"own", static_cast<double>(list.size() % 2)}});
  return list;
}

}  // namespace

std::unique_ptr<Contract> describe_elbo_decomposition_forward() { return described<Forward>(shapes(false)); }
// A log_q of some hundred nats has an error of 3e-5 in fp32, and every share of the mixture has it too.
std::unique_ptr<Contract> describe_elbo_decomposition_backward() {
  return described<Backward>(shapes(true), {.tolerance = 2e-4});
}

}  // namespace cuelbo::lab
