// `cuelbo kernels run`: any inputs, any shape, on the device simt and on the CPU.
#include <cmath>

#include <gmock/gmock.h>

#include "engine/io/npz.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class KernelsRun : public TinyTest {
 protected:
  void SetUp() override {
    if (run({"kernels", "list"}).code != 0) GTEST_SKIP() << "built without the CUDA headers";
    write_npz(path("x.npz"), {{"x", x()}});
  }
  static Array x() { return make_array<float>({2, 3}, {1, 2, 3, 4, 5, 6}); }

  Outcome run_kernel(const std::string& kernel, const std::string& shape,
                     const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"kernels", "run", kernel, "--shape", shape};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  // The arrays that a successful call writes.
  std::map<std::string, Array> outputs(const std::string& kernel, const std::string& shape,
                                       std::vector<std::string> more) const {
    more.insert(more.end(), {"-o", "out.npz"});
    EXPECT_TRUE(succeeds(run_kernel(kernel, shape, more)));
    return read_npz(path("out.npz"));
  }
};

constexpr const char* small = "rows=2,columns=3,factor=2";

TEST_F(KernelsRun, GivesTheOutputsOfGivenInputs) {
  const Array y = make_array<float>({2}, {12, 30});
  for (const char* device : {"simt", "cpu"})
    EXPECT_EQ(outputs("sum_columns", small, {"-i", "x.npz", "--device", device}).at("y"), y) << device;
  EXPECT_EQ(outputs("sum_columns/naive", small, {"-i", "x.npz"}).at("y"), y);
  EXPECT_EQ(outputs("sum_columns/cpu", small, {"-i", "x.npz", "--device", "cpu"}).at("y"), y);
  const Outcome said = run_kernel("sum_columns/naive", small, {"-i", "x.npz"});
  EXPECT_THAT(said.out, AllOf(HasSubstr("sum_columns/naive on simt, columns=3,factor=2,rows=2"),
                              HasSubstr("y  float32 (2,)  12 30"), Not(HasSubstr("drawn"))));
}

TEST_F(KernelsRun, HandlesNaNAndEmptyShapes) {
  write_npz(path("nan.npz"), {{"x", make_array<float>({2, 1}, {NAN, INFINITY})}});
  const Array y = outputs("sum_columns", "rows=2,columns=1", {"-i", "nan.npz"}).at("y");
  EXPECT_TRUE(std::isnan(y.as<float>()[0]));
  EXPECT_EQ(y.as<float>()[1], INFINITY);
  EXPECT_EQ(outputs("sum_columns", "rows=0,columns=3", {}).at("y").shape, std::vector<std::int64_t>{0});
  EXPECT_EQ(outputs("sum_columns", "rows=2,columns=0", {}).at("y"), make_array<float>({2}, {0, 0}));
}

TEST_F(KernelsRun, DrawsInputsFromTheSeed) {
  const auto y = [&](const std::string& seed) {
    return outputs("linear_forward", "rows=3,in=5,out=7", {"--seed", seed}).at("y");
  };
  EXPECT_EQ(y("1"), y("1"));
  EXPECT_FALSE(y("1") == y("2"));
  EXPECT_THAT(run_kernel("linear_forward", "rows=3,in=5,out=7", {}).out,
              HasSubstr("bias    float32 (7,)  drawn from seed 1"));
}

TEST_F(KernelsRun, DrawsWhatTheFileLacksIfAskedTo) {
  const Outcome lacking = run_kernel("linear_forward", "rows=2,in=3,out=1", {"-i", "x.npz"});
  EXPECT_TRUE(fails(lacking, 1,
                    "'x.npz': input 'weight' is missing, float32 (1, 3); --random draws what is missing"));
  write_npz(path("zero.npz"), {{"x", x()}, {"weight", make_array<float>({1, 3}, {0, 0, 0})}});
  const auto y = outputs("linear_forward", "rows=2,in=3,out=1,activation=0", {"-i", "zero.npz", "--random"});
  EXPECT_EQ(y.at("y").as<float>()[0], y.at("y").as<float>()[1]) << "both are the bias";
}

// log_q, an input of the backward pass, is drawn to fit the other inputs, which are given.
TEST_F(KernelsRun, DrawsInputsThatFitTheOthers) {
  const std::string shape = "rows=5,columns=5,dims=2,groups=1";
  std::vector<float> z(10), ones(20, 1);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(i) / 5 - 1;
  const Array codes = make_array({5, 2}, z);
  std::map<std::string, Array> inputs{{"z", codes}, {"mean", codes}, {"logvar", codes}};
  write_npz(path("forward.npz"), inputs);
  const Array log_q = outputs("elbo_decomposition_forward", shape, {"-i", "forward.npz"}).at("log_q");
  inputs["dlog_q"] = make_array({5, 4}, ones);
  write_npz(path("without.npz"), inputs);
  inputs["log_q"] = log_q;
  write_npz(path("with.npz"), inputs);
  const Array drawn =
      outputs("elbo_decomposition_backward", shape, {"-i", "without.npz", "--random"}).at("dz");
  const Array given = outputs("elbo_decomposition_backward", shape, {"-i", "with.npz"}).at("dz");
  for (std::size_t i = 0; i < z.size(); ++i)
    EXPECT_NEAR(drawn.as<float>()[i], given.as<float>()[i], 1e-5 * (1 + std::abs(given.as<float>()[i])));
}

TEST_F(KernelsRun, WritesWhatIsUpdatedToo) {
  const auto out = outputs("adam", "count=5", {});
  EXPECT_EQ(out.size(), 3U);
  for (const char* name : {"parameter", "first", "second"})
    EXPECT_EQ(out.at(name).shape, std::vector<std::int64_t>{5}) << name;
}

TEST_F(KernelsRun, OrdersAndThreadsChangeNothing) {
  const std::string shape = "rows=70,columns=300";
  const auto first = outputs("sum_rows", shape, {});
  for (const char* order : {"forward", "reverse", "random"})
    EXPECT_EQ(outputs("sum_rows", shape, {"--order", order, "--threads", "1"}), first) << order;
}

TEST_F(KernelsRun, SaysWhatIsWrongWithTheInputs) {
  const auto fails_with = [&](const char* name, Array array, const char* text) {
    write_npz(path("bad.npz"), {{name, std::move(array)}});
    EXPECT_TRUE(fails(run_kernel("sum_columns", small, {"-i", "bad.npz", "-o", "out.npz"}), 1, text));
    EXPECT_FALSE(std::filesystem::exists(path("out.npz")));
  };
  fails_with("x", make_array<double>({2, 3}, {1, 2, 3, 4, 5, 6}),
             "'bad.npz': 'x' is float64 (2, 3), this call needs float32 (2, 3)");
  fails_with("x", make_array<float>({3, 2}, {1, 2, 3, 4, 5, 6}),
             "'bad.npz': 'x' is float32 (3, 2), this call needs float32 (2, 3)");
  fails_with("z", x(), "'bad.npz': 'z' is not an input of this call; inputs are x");
  fails_with("y", make_array<float>({2}, {1, 2}), "'y' is not an input of this call");
  EXPECT_TRUE(fails(run_kernel("sum_columns", small, {"-i", "absent.npz"}), 1, "absent.npz"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", small, {"-i", "x.npz", "-o", "no/out.npz"}), 1, "no/out.npz"));
}

TEST_F(KernelsRun, SaysWhatIsWrongWithTheCall) {
  EXPECT_TRUE(fails(run_kernel("sum_colums", small, {}), 2, "did you mean 'sum_columns'"));
  EXPECT_TRUE(fails(run_kernel("sum_columns/worst", small, {}), 2, "sum_columns has naive"));
  EXPECT_TRUE(fails(run_kernel("sum_columns/naive", small, {"--device", "cpu"}), 2, "sum_columns/cpu"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", small, {"--device", "gpu"}), 2, "there is no device 'gpu'"));
  EXPECT_TRUE(
      fails(run_kernel("sum_columns", small, {"--device", "cpu", "--order", "random"}), 2, "--order"));
  EXPECT_TRUE(
      fails(run_kernel("sum_columns", small, {"--order", "sideways"}), 2, "forward, reverse or random"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", "rows=-1", {}), 2, "rows=-1: a whole number of at least 0"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", "rows=1.5", {}), 2, "rows=1.5: a whole number"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", "lines=1", {}), 2, "there is no size 'lines'"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", "rows=1,rows=2", {}), 2, "given twice"));
  EXPECT_TRUE(fails(run_kernel("sum_columns", "rows=1000000,columns=1000000000", {}), 1, "GiB"));
  EXPECT_TRUE(fails(run_kernel("activation_forward", "activation=5", {}), 2, "activation=5: at most 4"));
  EXPECT_TRUE(fails(run_kernel("softmax_forward", "probabilities=2", {}), 2, "at most 1"));
  EXPECT_TRUE(fails(run_kernel("copy_columns", "columns=5,x_stride=4", {}), 2, "x_stride=4"));
  EXPECT_TRUE(fails(run_kernel("concrete_forward", "temperature=0", {}), 2, "temperature > 0 is needed"));
  EXPECT_TRUE(
      fails(run_kernel("conv2d_forward", "kernel=3,large_width=1,padding=0", {}), 2, "no such convolution"));
}

}  // namespace
}  // namespace cuelbo::test
