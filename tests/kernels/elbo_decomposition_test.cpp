#include "tests/kernels/elbo_decomposition_problem.hpp"
#include "tests/support/every_path.hpp"

namespace cuelbo::test {
namespace {

struct Case {
  std::string name;
  ElboProblemOptions options;
  Blocks blocks;
};

// Words and numbers by turns.
std::string numbered(const std::vector<const char*>& words, const std::vector<std::int64_t>& numbers) {
  std::string name;
  for (std::size_t i = 0; i < words.size(); ++i) name.append(words[i]).append(std::to_string(numbers[i]));
  return name;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t rows : {2, 5, 33}) {
    for (const std::int32_t dims : {1, 3, 17}) {
      all.push_back({numbered({"B", "_D"}, {rows, dims}),
                     {.rows = rows, .columns = rows, .dims = dims},
                     hfvae_blocks(dims, 2)});
      all.push_back({numbered({"tree_B", "_D"}, {rows, dims}),
                     {.rows = rows, .columns = rows, .dims = dims},
                     tree_blocks(dims)});
    }
  }
  for (const std::int64_t rows : {63, 64, 65, 127, 129})
    all.push_back(
        {numbered({"tile_B"}, {rows}), {.rows = rows, .columns = rows, .dims = 4}, hfvae_blocks(4, 2)});
  for (const std::int32_t dims : {15, 16, 31, 64})
    all.push_back(
        {numbered({"wide_D"}, {dims}), {.rows = 33, .columns = 33, .dims = dims}, hfvae_blocks(dims, 8)});
  all.push_back({"several_column_slices",
                 {.rows = 150, .columns = 450, .dims = 64, .classes = {3}},
                 hfvae_blocks(64, 8, 1)});
  all.push_back({"tree_D64", {.rows = 33, .columns = 33, .dims = 64}, tree_blocks(64)});
  all.push_back({"one_group_of_20", {.rows = 33, .columns = 33, .dims = 40}, hfvae_blocks(40, 20)});

  all.push_back({"classes_3", {.rows = 33, .columns = 33, .dims = 3, .classes = {3}}, hfvae_blocks(3, 2, 1)});
  all.push_back(
      {"classes_10", {.rows = 33, .columns = 33, .dims = 10, .classes = {10}}, hfvae_blocks(10, 2, 1)});
  all.push_back(
      {"classes_10_D17", {.rows = 70, .columns = 70, .dims = 17, .classes = {10}}, hfvae_blocks(17, 5, 1)});
  all.push_back({"two_discrete_groups",
                 {.rows = 33, .columns = 33, .dims = 3, .classes = {3, 10}},
                 hfvae_blocks(3, 2, 2)});
  all.push_back({"three_discrete_groups",
                 {.rows = 5, .columns = 5, .dims = 2, .classes = {3, 2, 4}},
                 hfvae_blocks(2, 1, 3)});
  all.push_back({"discrete_only",
                 {.rows = 33, .columns = 33, .dims = 0, .classes = {3, 10}},
                 {{0, 0, 0, 2}, {0, 0, 0, 1}, {0, 0, 1, 2}}});
  all.push_back({"one_dimension_with_classes",
                 {.rows = 9, .columns = 9, .dims = 2, .classes = {3}},
                 {{0, 1, 0, 1}, {1, 2, 0, 1}, {0, 1, 0, 0}}});
  all.push_back({"unused_dimensions",
                 {.rows = 9, .columns = 9, .dims = 5, .classes = {3}},
                 {{1, 2, 0, 0}, {0, 0, 0, 1}}});
  all.push_back({"groups_without_dimensions_of_theirs",
                 {.rows = 9, .columns = 9, .dims = 6},
                 {{0, 6, 0, 0}, {0, 3, 0, 0}}});
  all.push_back({"overlapping",
                 {.rows = 9, .columns = 9, .dims = 24},
                 {{0, 10, 0, 0},
                  {5, 15, 0, 0},
                  {4, 8, 0, 0},
                  {0, 24, 0, 0},
                  {14, 24, 0, 0},
                  {6, 7, 0, 0},
                  {0, 10, 0, 0}}});

  const auto add = [&](std::string name, ElboProblemOptions options, std::int32_t group) {
    const auto discrete =
        static_cast<std::int32_t>(3 - std::count(options.classes.begin(), options.classes.end(), 0));
    const auto dims = static_cast<std::int32_t>(options.dims);
    all.push_back({std::move(name), std::move(options), hfvae_blocks(dims, group, discrete)});
  };
  add("more_rows", {.rows = 40, .columns = 13, .dims = 5, .classes = {3}}, 2);
  add("fewer_rows", {.rows = 7, .columns = 150, .dims = 5, .classes = {3}}, 2);
  add("one_row", {.rows = 1, .columns = 20, .dims = 3}, 2);
  add("one_column", {.rows = 3, .columns = 1, .dims = 3, .estimator = Estimator::batch}, 2);
  add("batch", {.rows = 33, .columns = 33, .dims = 5, .estimator = Estimator::batch}, 2);
  add("mws", {.rows = 33, .columns = 33, .dims = 5, .estimator = Estimator::mws}, 2);
  add("mss", {.rows = 33, .columns = 33, .dims = 5, .classes = {3}, .estimator = Estimator::mss}, 2);
  add("mss_B64", {.rows = 64, .columns = 64, .dims = 5, .estimator = Estimator::mss}, 2);
  add("small_deviation", {.rows = 33, .columns = 33, .dims = 17, .deviation = 1e-4}, 4);
  add("small_deviation_D64", {.rows = 33, .columns = 33, .dims = 64, .deviation = 1e-4}, 8);
  add("uneven_deviations",
      {.rows = 70, .columns = 70, .dims = 17, .classes = {3}, .deviation = 0.01, .spread = 2}, 4);
  add("wide_deviation", {.rows = 33, .columns = 33, .dims = 17, .deviation = 30}, 4);
  add("several_slices", {.rows = 530, .columns = 530, .dims = 3, .classes = {3}}, 2);
  add("many_classes", {.rows = 20, .columns = 20, .dims = 2, .classes = {70}}, 2);
  add("many_classes_of_a_product", {.rows = 9, .columns = 9, .dims = 1, .classes = {5, 21}}, 1);
  add("two_slices", {.rows = 200, .columns = 200, .dims = 6, .classes = {4}}, 3);
  return all;
}

class ElboDecomposition : public testing::TestWithParam<Case> {
 protected:
  ElboProblem problem() const { return make_problem(GetParam().options, GetParam().blocks); }
};

TEST_P(ElboDecomposition, AgreesWithBruteForceInDouble) {
  const ElboProblem p = problem();
  const ElboReference expected = run_reference(p);
  for (const auto& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    expect_agreement(run_kernel(p, *path.table), expected);
  }
}

TEST_P(ElboDecomposition, IsTheSameOnEverySchedule) {
  const ElboProblem p = problem();
  for (const auto& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    const ElboResult alone = run_kernel(p, *path.table);
    for_each_schedule([&](const char* name, kernels::Stream stream) {
      SCOPED_TRACE(name);
      const ElboResult result = run_kernel(p, *path.table, stream);
      for (std::size_t i = 0; i < alone.all().size(); ++i)
        EXPECT_TRUE(identical(*alone.all()[i], *result.all()[i])) << i;
    });
  }
}

// Problems that need more than one tile, one part of a block table or one pass over the dimensions.
void expect_agreement_on_every_path(const ElboProblem& p) {
  const ElboReference expected = run_reference(p);
  for (const auto& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    expect_agreement(run_kernel(p, *path.table), expected);
  }
}

TEST(ElboDecompositionLarge, ManyColumns) {
  expect_agreement_on_every_path(
      make_problem({.rows = 17, .columns = 9000, .dims = 2, .classes = {3}, .estimator = Estimator::mss},
                   hfvae_blocks(2, 1, 1)));
  expect_agreement_on_every_path(make_problem({.rows = 17, .columns = 9000, .dims = 2}, hfvae_blocks(2, 2)));
}

TEST(ElboDecompositionLarge, ManyRows) {
  expect_agreement_on_every_path(
      make_problem({.rows = 9000, .columns = 17, .dims = 2, .classes = {3}}, hfvae_blocks(2, 1, 1)));
  expect_agreement_on_every_path(make_problem({.rows = 9000, .columns = 17, .dims = 2}, hfvae_blocks(2, 2)));
}

TEST(ElboDecompositionLarge, ManyBlocksWithMixtures) {
  Blocks blocks;
  for (std::int32_t i = 0; i < 72; ++i)
    blocks.push_back(
        {.dim_begin = i % 4, .dim_end = 4, .group_begin = i % 2, .group_end = i % 3 == 0 ? i % 2 : 2});
  expect_agreement_on_every_path(
      make_problem({.rows = 50, .columns = 50, .dims = 4, .classes = {3, 5}}, blocks));
}

TEST(ElboDecompositionLarge, ManyDimensions) {
  for (const std::int32_t dims : {65, 129, 200}) {
    SCOPED_TRACE(dims);
    expect_agreement_on_every_path(
        make_problem({.rows = 20, .columns = 20, .dims = dims, .classes = {3}},
                     {{.dim_begin = 0, .dim_end = dims, .group_begin = 0, .group_end = 1},
                      {.dim_begin = 3, .dim_end = dims / 2}}));
  }
}

TEST(ElboDecompositionLarge, OwnColumnsThatAreNotThere) {
  ElboProblem p = make_problem({.rows = 33, .columns = 50, .dims = 3}, hfvae_blocks(3, 2));
  for (std::size_t i = 0; i < p.own.size(); i += 3) p.own[i] = i % 2 == 0 ? -1 : 50;
  expect_agreement_on_every_path(p);
}

// log q̂ is a function of the columns as a set: their order, with `own` permuted alike, affects the rounding only.
TEST_P(ElboDecomposition, DoesNotDependOnTheOrderOfColumns) {
  ElboProblem p = problem();
  const kernels::ElboDecompositionShape s = p.shape();
  if (s.next_weight != s.other_weight) GTEST_SKIP() << "the next column is part of the estimator";
  if (p.own.empty())
    for (std::int32_t b = 0; b < s.rows; ++b) p.own.push_back(b);
  ElboProblem reversed = p;
  const auto reverse_rows = [&](std::vector<float>& table, std::int64_t width) {
    const std::vector<float> before = table;
    for (std::int64_t j = 0; j < s.columns; ++j)
      std::copy_n(before.begin() + j * width, width, table.begin() + (s.columns - 1 - j) * width);
  };
  reverse_rows(reversed.mean, s.dims);
  reverse_rows(reversed.logvar, s.dims);
  reverse_rows(reversed.probabilities, kernels::class_column_count(s));
  for (std::int32_t& own : reversed.own) own = static_cast<std::int32_t>(s.columns) - 1 - own;
  for (const auto& path : kernel_paths()) {
    SCOPED_TRACE(path.name);
    ElboResult a = run_kernel(p, *path.table), b = run_kernel(reversed, *path.table);
    reverse_rows(b.dmean, s.dims);
    reverse_rows(b.dlogvar, s.dims);
    reverse_rows(b.dprobabilities, kernels::class_column_count(s));
    EXPECT_TRUE(nats_near(a.log_q, to_double(b.log_q)));
    EXPECT_LT(relative_error(a.dz, to_double(b.dz)), 1e-4);
    EXPECT_LT(relative_error(a.dmean, to_double(b.dmean)), 1e-4);
    EXPECT_LT(relative_error(a.dlogvar, to_double(b.dlogvar)), 1e-4);
    EXPECT_LT(relative_error(a.dprobabilities, to_double(b.dprobabilities)), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ElboDecomposition, testing::ValuesIn(cases()),
                         [](const auto& suite) { return suite.param.name; });

// Identity 9: the reference's gradient against central differences of its forward pass.
TEST(ElboDecompositionReference, GradientIsThatOfItsForwardPass) {
  for (const Case& c : cases()) {
    const bool small = c.options.rows <= 9 && c.options.dims <= 6 && c.options.deviation >= 0.1 &&
                       c.name != "many_classes_of_a_product";
    if (!small) continue;
    SCOPED_TRACE(c.name);
    const ElboProblem p = make_problem(c.options, c.blocks);
    const kernels::ElboDecompositionShape s = p.shape();
    const ElboReference r = run_reference(p);
    ElboInputs in(p);
    const auto loss = [&] {
      std::vector<double> log_q(static_cast<std::size_t>(s.rows * s.block_count));
      kernels::reference::elbo_decomposition_forward<double>(s, in.pointers(), log_q.data(), nullptr);
      double sum = 0;
      for (std::size_t i = 0; i < log_q.size(); ++i) sum += p.dlog_q[i] * log_q[i];
      return sum;
    };
    const auto check = [&](std::vector<double>& input, const std::vector<double>& gradient,
                           const char* name) {
      for (std::size_t i = 0; i < input.size(); ++i) {
        const double x = input[i], step = 1e-5 * std::max(1e-2, std::abs(x));
        input[i] = x + step;
        const double above = loss();
        input[i] = x - step;
        const double below = loss();
        input[i] = x;
        EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 1e-6 * (1 + std::abs(gradient[i])))
            << name << ' ' << i;
      }
    };
    check(in.z, r.dz, "z");
    check(in.mean, r.dmean, "mean");
    check(in.logvar, r.dlogvar, "logvar");
    check(in.row_probabilities, r.drow_probabilities, "row_probabilities");
    check(in.probabilities, r.dprobabilities, "probabilities");
  }
}

}  // namespace
}  // namespace cuelbo::test
