// Wrong use is refused where it happens, with one line that says what is wrong and where.
#include <functional>
#include <limits>

#include "engine/optimizer.hpp"
#include "kernels/cpu_tables.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// The message of the Error that f throws; it has one line. Empty, and a failure, when nothing is thrown.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {};
}

testing::AssertionResult mentions(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    if (message.find(part) == std::string::npos)
      return testing::AssertionFailure() << "'" << part << "' is missing in: " << message;
  return testing::AssertionSuccess();
}

class ProgramErrors : public testing::Test {
 protected:
  Tensor tensor(Shape shape) { return program.input(fmt::format("t{}", count++), std::move(shape), true); }

  Machine machine;
  Program program{*machine.device, machine.parameters};
  int count = 0;
};

TEST_F(ProgramErrors, WrongShapes) {
  struct Case {
    std::function<void()> run;
    std::vector<std::string> parts;  // of the message: the operation and both shapes
  };
  const auto t = [&](Shape shape) { return tensor(std::move(shape)); };
  const Conv2dGeometry g{.kernel = 3, .stride = 2, .padding = 1};
  const std::vector<kernels::DensityBlock> joint = {{.dim_begin = 0, .dim_end = 5}};
  const Case cases[] = {
      {[&] { linear(t({7, 5}), t({4, 6}), t({4})); }, {"linear", "(4, 6)", "(4, 5)"}},
      {[&] { linear(t({7, 5}), t({4, 5}), t({5})); }, {"linear", "(5)", "(4)"}},
      {[&] { linear(t({7, 5}), t({20}), t({4})); }, {"linear", "(20)", "2 axes"}},
      {[&] { conv2d(t({2, 8, 8, 3}), t({4, 3, 3, 2}), t({4}), g); },
       {"conv2d", "(4, 3, 3, 2)", "(4, 3, 3, 3)"}},
      {[&] { conv2d(t({2, 8, 8, 3}), t({4, 4, 4, 3}), t({4}), g); },
       {"conv2d", "(4, 4, 4, 3)", "(4, 3, 3, 3)"}},
      {[&] { conv2d(t({2, 8, 8, 3}), t({4, 3, 3, 3}), t({3}), g); }, {"conv2d", "(3)", "(4)"}},
      {[&] { conv2d(t({2, 24}), t({4, 3, 3, 3}), t({4}), g); }, {"conv2d", "(2, 24)", "4 axes"}},
      {[&] { conv2d(t({2, 1, 8, 3}), t({4, 3, 3, 3}), t({4}), {.kernel = 3}); },
       {"conv2d", "(2, 1, 8, 3)", "3"}},
      {[&] { conv2d(t({2, 8, 8, 3}), t({4, 3, 3, 3}), t({4}), {.kernel = 3, .padding = 3}); },
       {"conv2d", "padding 3"}},
      {[&] { conv2d(t({2, 8, 8, 3}), t({4, 3, 3, 3}), t({4}), {.kernel = 3, .stride = 0}); },
       {"conv2d", "stride 0"}},
      {[&] { conv2d_transpose(t({2, 8, 8, 3}), t({4, 3, 3, 2}), t({2}), g); },
       {"conv2d_transpose", "(4, 3, 3, 2)", "(3, 3, 3, 2)"}},
      {[&] { conv2d_transpose(t({2, 8, 8, 3}), t({3, 3, 3, 2}), t({3}), g); },
       {"conv2d_transpose", "(3)", "(2)"}},
      {[&] { conv2d_transpose(t({2, 8, 8, 3}), t({3, 3, 3, 2}), t({2}), g, 2); },
       {"conv2d_transpose", "output_padding 2", "stride 2"}},
      {[&] { conv2d_transpose(t({2, 1, 1, 3}), t({3, 3, 3, 2}), t({2}), {.kernel = 3, .padding = 2}); },
       {"conv2d_transpose", "(2, 1, 1, 3)"}},
      {[&] { batch_norm(t({7, 5}), {t({5}), t({4}), t({5}), t({5})}, true); }, {"batch_norm", "(4)", "(5)"}},
      {[&] { batch_norm(t({1, 5}), {t({5}), t({5}), t({5}), t({5})}, true); }, {"batch_norm", "(1, 5)", "2"}},
      {[&] { bernoulli_log_likelihood(t({7, 5}), program.input("target", {7, 6})); },
       {"bernoulli_log_likelihood", "(7, 5)", "(7, 6)"}},
      {[&] { gaussian_log_likelihood(t({7, 5}), program.input("target", {7, 6}), 1); },
       {"gaussian_log_likelihood", "(7, 5)", "(7, 6)"}},
      {[&] { gaussian_log_likelihood(t({7, 5}), program.input("target", {7, 5}), 0); },
       {"gaussian_log_likelihood", "deviation"}},
      {[&] { reparameterize(t({7, 5}), t({7, 4})); }, {"reparameterize", "(7, 4)", "(7, 5)"}},
      {[&] { reparameterize(t({35}), t({35})); }, {"reparameterize", "(35)", "2 axes"}},
      {[&] { concrete(t({35}), 1); }, {"concrete", "(35)", "2 axes"}},
      {[&] { concrete(t({7, 5}), std::numeric_limits<float>::quiet_NaN()); }, {"concrete", "temperature"}},
      {[&] { gaussian_log_density(t({7, 5}), t({7, 4}), t({7, 5})); },
       {"gaussian_log_density", "(7, 5)", "(7, 4)"}},
      {[&] { gaussian_log_density(t({7, 5}), t({7, 5}), t({7, 4})); },
       {"gaussian_log_density", "(7, 5)", "(7, 4)"}},
      {[&] { gaussian_log_density(t({7, 5}), t({7, 5})); }, {"gaussian_log_density", "both"}},
      {[&] { elbo_decomposition({t({7, 5}), t({7, 4}), t({7, 5}), {}, {}, {}}, joint, {}, {}); },
       {"elbo_decomposition", "mean", "(7, 4)", "(7, 5)"}},
      {[&] { elbo_decomposition({t({7, 5}), t({7, 5}), t({6, 5}), {}, {}, {}}, joint, {}, {}); },
       {"elbo_decomposition", "logvar", "(6, 5)", "(7, 5)"}},
      {[&] { elbo_decomposition({t({7, 5}), t({6, 5}), t({6, 5}), {}, {}, {}}, joint, {}, {}); },
       {"elbo_decomposition", "7 rows", "6 columns"}},
      {[&] { elbo_decomposition({t({7, 5}), t({6, 5}), t({6, 5}), {}, {}, t({6})}, joint, {}, {}); },
       {"elbo_decomposition", "own", "(6)", "(7)"}},
      {[&] {
         elbo_decomposition({t({7, 5}), t({7, 5}), t({7, 5}), t({7, 3}), t({7, 3}), {}}, joint, {4}, {});
       },
       {"elbo_decomposition", "row_probabilities", "(7, 3)", "(7, 4)"}},
      {[&] { elbo_decomposition({t({7, 5}), t({7, 5}), t({7, 5}), {}, {}, {}}, joint, {4}, {}); },
       {"elbo_decomposition", "probabilities"}},
      {[&] { elbo_decomposition({t({7, 5}), t({7, 5}), t({7, 5}), {}, {}, {}}, {{0, 6, 0, 0}}, {}, {}); },
       {"elbo_decomposition", "block 0", "[0, 6)", "5"}},
      {[&] { elbo_decomposition({t({7, 5}), t({7, 5}), t({7, 5}), {}, {}, {}}, {{2, 2, 0, 0}}, {}, {}); },
       {"elbo_decomposition", "block 0", "[2, 2)"}},
      {[&] { add(t({7, 5}), t({7, 4})); }, {"add", "(7, 5)", "(7, 4)"}},
      {[&] { multiply(t({7, 5}), t({7, 4})); }, {"multiply", "(7, 5)", "(7, 4)"}},
      {[&] { reshape(t({7, 5}), {7, 4}); }, {"reshape", "(7, 5)", "(7, 4)"}},
      {[&] { reshape(t({7, 5}), {-7, -5}); }, {"(-7, -5)"}},
      {[&] { transpose(t({7})); }, {"transpose", "(7)"}},
      {[&] { slice_columns(t({7, 5}), 3, 3); }, {"slice_columns", "[3, 6)", "(7, 5)"}},
      {[&] { slice_columns(t({7, 5}), -1, 2); }, {"slice_columns", "[-1, 1)", "(7, 5)"}},
      {[&] { slice_columns(t({7, 5}), 0, 0); }, {"slice_columns", "[0, 0)", "(7, 5)"}},
      {[&] { concat_columns({t({7, 5}), t({6, 5})}); }, {"concat_columns", "(6, 5)", "7"}},
      {[&] { concat_columns({}); }, {"concat_columns"}},
      {[&] { program.input("empty", {7, 0}); }, {"empty", "(7, 0)"}},
      {[&] { program.constant("few", {7}, Floats(6)); }, {"few", "(7)", "6"}},
      {[&] { program.view(t({7, 5}), {30}, 6); }, {"30", "6", "(7, 5)"}},
      {[&] { program.gradients(t({2})); }, {"loss", "(2)"}},
  };
  for (const Case& c : cases) EXPECT_TRUE(mentions(error_of(c.run), c.parts));
}

TEST_F(ProgramErrors, AnAbsentTensorIsNamed) {
  const Tensor none;
  const Tensor x = tensor({7, 5});
  for (const auto& run : std::initializer_list<std::function<void()>>{
           [&] { linear(x, none, {}); }, [&] { linear(none, x, {}); }, [&] { add(x, none); },
           [&] { add(none, x); }, [&] { reshape(none, {5}); }, [&] { stop_gradient(none); },
           [&] { activate(none, Activation::relu); }, [&] { concat_columns({x, none}); },
           [&] { bernoulli_log_likelihood(x, none); }, [&] { program.keep(none); },
           [&] { program.gradients(none); }, [&] { static_cast<void>(LossGradients().of(none)); },
           [&] { batch_norm(x, {}, true); }})
    EXPECT_TRUE(mentions(error_of(run), {"absent"}));
}

TEST_F(ProgramErrors, TensorsOfAnotherProgramAreRefused) {
  Program other(*machine.device, machine.parameters);
  const Tensor x = tensor({4, 5}), y = other.input("stranger", {4, 5}, true);
  const Tensor values = other.step_values("strange values", Floats{1});
  program.step_values("own values", Floats{1});
  const auto stays_out = [&](const std::function<void()>& run) {
    EXPECT_TRUE(mentions(error_of(run), {"strange", "another program"}));
  };
  stays_out([&] { add(x, y); });
  stays_out([&] { multiply(x, y); });
  stays_out([&] { linear(x, y, {}); });
  stays_out([&] { concat_columns({x, y}); });
  stays_out([&] { reparameterize(x, y); });
  stays_out([&] { gaussian_log_density(x, y, y); });
  stays_out([&] { program.view(y, {20}); });
  stays_out([&] { program.gradients(other.input("strange loss", {1}, true)); });
  stays_out([&] { program.keep(y); });
  stays_out([&] { program.set_step_values(values, Floats{2}); });
  program.plan();
  stays_out([&] { program.write(y, Floats(20)); });
  stays_out([&] { program.read(y); });
}

TEST_F(ProgramErrors, AnOperationWithoutAGradientIsRefusedWhenRecorded) {
  const Tensor x = tensor({7, 5});
  const BatchNormParameters estimates{program.input("scale", {5}), program.input("shift", {5}),
                                      program.input("mean", {5}), program.input("variance", {5})};
  const Program::Scope scope(program, "encoder");
  EXPECT_TRUE(mentions(error_of([&] { batch_norm(x, estimates, false); }),
                       {"encoder/batch_norm in inference", "no gradient", "stop_gradient"}));
  const Tensor y = batch_norm(stop_gradient(x), estimates, false);
  EXPECT_FALSE(y.requires_gradient());
}

// A likelihood is not differentiated with respect to what it is the likelihood of.
TEST_F(ProgramErrors, ATargetThatNeedsAGradientIsRefused) {
  const Tensor x = tensor({7, 5}), target = tensor({7, 5});
  EXPECT_TRUE(mentions(error_of([&] { bernoulli_log_likelihood(x, target); }),
                       {"bernoulli_log_likelihood", target.name(), "stop_gradient"}));
  EXPECT_TRUE(mentions(error_of([&] { gaussian_log_likelihood(x, target, 1); }),
                       {"gaussian_log_likelihood", target.name(), "stop_gradient"}));
  bernoulli_log_likelihood(x, stop_gradient(target));
}

TEST_F(ProgramErrors, ALossWithoutGradientsIsRefused) {
  const Tensor x = program.input("x", {3});
  EXPECT_TRUE(mentions(error_of([&] { program.gradients(sum(x)); }), {"depends on no parameter"}));
  EXPECT_TRUE(mentions(error_of([&] { program.gradients(sum(tensor({3})), {1}); }), {"no group 1"}));
  EXPECT_TRUE(mentions(error_of([&] { Adam(program, {}, {}); }), {"not differentiated", "group 0"}));
  EXPECT_TRUE(mentions(error_of([&] { static_cast<void>(LossGradients().of(x)); }), {"x", "no gradient"}));
}

// In between, an activation's derivative may already be in the gradient, by fusion.
TEST_F(ProgramErrors, OnlyInputsAndParametersShowTheirGradient) {
  const Tensor x = tensor({3, 4});
  const Tensor hidden = activate(x, Activation::tanh);
  const LossGradients gradients =
      program.gradients(sum(linear(hidden, program.constant("w", {2, 4}, Floats(8)), {})));
  EXPECT_EQ(gradients.of(x).shape(), x.shape());
  EXPECT_TRUE(mentions(error_of([&] { static_cast<void>(gradients.of(hidden)); }),
                       {hidden.name(), "inputs and parameters"}));
}

TEST_F(ProgramErrors, ParametersOfAnotherDevice) {
  Machine other;
  EXPECT_TRUE(mentions(error_of([&] { Program mixed(*machine.device, other.parameters); }),
                       {"device", "parameters"}));
}

TEST_F(ProgramErrors, OrderOfRecordingPlanningAndRunning) {
  const Tensor x = tensor({3});
  const Tensor y = affine(x, 2, 0), unused = program.tensor("unused", {3});
  EXPECT_TRUE(mentions(error_of([&] { program.replay(); }), {"planned"}));
  EXPECT_TRUE(mentions(error_of([&] { program.find_non_finite(); }), {"planned"}));
  EXPECT_TRUE(mentions(error_of([&] { program.read(x); }), {"read", x.name()}));
  EXPECT_TRUE(mentions(error_of([&] { program.write(x, Floats(3)); }), {"write", x.name()}));
  program.keep(y);
  program.plan();
  EXPECT_TRUE(mentions(error_of([&] { program.plan(); }), {"already planned"}));
  EXPECT_TRUE(mentions(error_of([&] { affine(x, 1, 1); }), {"planned"}));
  EXPECT_TRUE(mentions(error_of([&] { program.keep(x); }), {"planned"}));
  EXPECT_TRUE(mentions(error_of([&] { program.read(unused); }), {"read", "unused"}));
  EXPECT_TRUE(mentions(error_of([&] { program.write(x, Floats(2)); }), {"2 values", "(3)"}));
  EXPECT_TRUE(mentions(error_of([&] { program.write(x, Floats(4)); }), {"4 values", "(3)"}));
  Floats two(2);
  EXPECT_TRUE(mentions(error_of([&] { program.read(y, two); }), {"2 values", "(3)"}));
  EXPECT_TRUE(mentions(error_of([&] { program.read_scalar(y); }), {"1 values", "(3)"}));
  Program eager(*machine.device, machine.parameters, {.mode = Program::Mode::eager});
  EXPECT_TRUE(mentions(error_of([&] { eager.plan(); }), {"eager"}));
}

// The memory of what is not kept belongs to others by the time it could be read; only inputs are for writing.
TEST_F(ProgramErrors, OnlyKeptTensorsAreReadAndOnlyInputsWritten) {
  const Tensor x = tensor({3}), c = program.constant("c", {3}, Floats(3));
  const Tensor y = multiply(x, c), z = affine(y, 1, 1);
  const Tensor values = program.step_values("values", Floats(3));
  program.keep(z);
  program.plan();
  program.write(x, Floats(3));
  program.replay();
  EXPECT_TRUE(mentions(error_of([&] { program.read(y); }), {"product", "keep"}));
  program.read(z);
  program.read(c);
  EXPECT_TRUE(mentions(error_of([&] { program.write(c, Floats(3)); }), {"c", "input"}));
  EXPECT_TRUE(mentions(error_of([&] { program.write(z, Floats(3)); }), {"affine", "input"}));
  EXPECT_TRUE(mentions(error_of([&] { program.write(values, Floats(3)); }), {"values", "input"}));
}

TEST_F(ProgramErrors, StepValues) {
  const Tensor x = tensor({3}), values = program.step_values("values", Floats(3));
  EXPECT_TRUE(
      mentions(error_of([&] { program.set_step_values(values, Floats(2)); }), {"values", "(3)", "2"}));
  EXPECT_TRUE(mentions(error_of([&] { program.set_step_values(x, Floats(3)); }), {x.name()}));
  EXPECT_TRUE(mentions(error_of([&] { program.step_values("too many", Floats(100000)); }), {"too many"}));
}

TEST_F(ProgramErrors, Parameters) {
  ParameterSet& parameters = machine.parameters;
  const int w = parameters.create("w", {2, 3}, Floats(6));
  const int s = parameters.create("s", {2}, Floats(2), false);
  EXPECT_TRUE(mentions(error_of([&] { parameters.create("w", {1}, Floats(1)); }), {"'w'"}));
  EXPECT_TRUE(mentions(error_of([&] { parameters.create("v", {2, 3}, Floats(5)); }), {"'v'", "(2, 3)", "5"}));
  EXPECT_TRUE(mentions(error_of([&] { parameters.write(w, Floats(5)); }), {"'w'", "(2, 3)", "5"}));
  EXPECT_TRUE(
      mentions(error_of([&] { parameters.read(s, ParameterSet::Kind::first_moment); }), {"'s'", "state"}));
  EXPECT_EQ(parameters.read(w), Floats(6));
  EXPECT_TRUE(mentions(error_of([&] { parameters.create("late", {1}, Floats(1)); }), {"'late'"}));
}

// A parameter that comes after the gradients were laid out would have none.
TEST_F(ProgramErrors, AParameterAfterItsGradientsIsRefused) {
  const int w = machine.parameters.create("w", {3}, Floats(3));
  program.gradients(sum(program.parameter(w)));
  EXPECT_TRUE(mentions(error_of([&] { machine.parameters.create("late", {1}, Floats(1)); }), {"'late'"}));
}

TEST_F(ProgramErrors, Devices) {
  EXPECT_THROW(open_device({.name = "tpu"}), UsageError);
  EXPECT_THROW(open_device({.name = "cpu", .threads = -1}), UsageError);
  EXPECT_TRUE(mentions(error_of([] { open_device({.name = "tpu"}); }), {"tpu", "cpu"}));
  EXPECT_NE(open_device({.name = "cpu", .threads = 2})->description().find("2 threads"), std::string::npos);
  EXPECT_EQ(open_device({.name = "cpu", .threads = 1000})->description().find("1000 threads"),
            std::string::npos)
      << "the pool has fewer";
  const std::string isa = kernels::cpu_path().name;
  const char* const bf16 = kernels::cpu_path().bf16_instructions ? "bf16" : "bf16 emulated";
  EXPECT_EQ(open_device({.name = "cpu", .threads = 1})->description(), "cpu (" + isa + ", 1 thread)");
  EXPECT_EQ(open_device({.name = "cpu", .threads = 1, .precision = kernels::Precision::bf16})->description(),
            "cpu (" + isa + ", " + bf16 + ", 1 thread)");
  EXPECT_THROW(open_device({.name = "cpu", .precision = kernels::Precision::tf32}), UsageError);
  for (const char* const name : {"cuda", "simt", "simt-checked"})
    EXPECT_TRUE(
        mentions(error_of([&] { open_device({.name = name, .precision = kernels::Precision::bf16}); }),
                 {name, "fp32", "cpu"}));
  ASSERT_FALSE(list_devices().empty());
  EXPECT_TRUE(list_devices()[0].usable);
  EXPECT_TRUE(mentions(error_of([&] { machine.device->allocate(std::size_t{1} << 60); }), {"memory"}));
}

}  // namespace
}  // namespace cuelbo::test
