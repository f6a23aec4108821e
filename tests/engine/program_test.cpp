// Properties of programs: several programs over one parameter set, step values, stop_gradient, scopes, NaN search.
#include <limits>

#include "engine/optimizer.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// y = w2 · tanh(w1 · x + b1) + b2, of a batch of any size.
struct Mlp {
  explicit Mlp(ParameterSet& parameters)
      : w1(parameters.create("w1", {8, 3}, uniform(24, 1))),
        b1(parameters.create("b1", {8}, uniform(8, 2))),
        w2(parameters.create("w2", {2, 8}, uniform(16, 3))),
        b2(parameters.create("b2", {2}, uniform(2, 4))) {}

  Tensor record(Program& p, Tensor x) const {
    Tensor hidden;
    {
      const Program::Scope scope(p, "first");
      hidden = linear(x, p.parameter(w1), p.parameter(b1), Activation::tanh);
    }
    const Program::Scope scope(p, "second");
    return linear(hidden, p.parameter(w2), p.parameter(b2));
  }

  int w1, b1, w2, b2;
};

// A training program of one batch size.
struct Trainer {
  Trainer(Machine& machine, const Mlp& mlp, std::int64_t batch)
      : program(*machine.device, machine.parameters) {
    x = program.input("x", {batch, 3});
    y = mlp.record(program, x);
    program.keep(y);
    loss = sum(multiply(y, y), 0.5F);
    program.keep(loss);
    adam = std::make_unique<Adam>(program, program.gradients(loss), AdamOptions{});
    program.plan();
    program.write(x, uniform(batch * 3, 10));
  }
  void step(std::int64_t number) {
    adam->set_step(number, 0.01);
    program.replay();
  }

  Program program;
  std::unique_ptr<Adam> adam;
  Tensor x, y, loss;
};

struct Predictor {
  Predictor(Machine& machine, const Mlp& mlp, std::int64_t batch)
      : program(*machine.device, machine.parameters, {.gradients = false}) {
    x = program.input("x", {batch, 3});
    y = mlp.record(program, x);
    program.keep(y);
    program.plan();
    program.write(x, uniform(batch * 3, 10));
  }
  Floats operator()() {
    program.replay();
    return program.read(y);
  }

  Program program;
  Tensor x, y;
};

TEST(Program, SeveralProgramsSeeTheSameParameters) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer large(machine, mlp, 16), small(machine, mlp, 5);
  Predictor predictor(machine, mlp, 5);
  const Floats before = predictor();
  small.program.replay();  // its learning rate is 0
  EXPECT_TRUE(same_bits(small.program.read(small.y), before));
  large.step(1);
  const Floats after = predictor();
  EXPECT_FALSE(same_bits(after, before));
  small.program.replay();
  EXPECT_TRUE(same_bits(small.program.read(small.y), after));
}

TEST(Program, InferenceNeedsNoGradients) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer trainer(machine, mlp, 8);
  Predictor predictor(machine, mlp, 8);
  EXPECT_FALSE(predictor.y.requires_gradient());
  EXPECT_TRUE(trainer.y.requires_gradient());
  EXPECT_EQ(predictor.program.launches().size(), 2U);
}

TEST(Program, StepValuesChangeBetweenReplays) {
  Machine machine;
  Program program(*machine.device, machine.parameters, {.gradients = false});
  const Tensor x = program.input("x", {3});
  const Tensor factor = program.step_values("factor", Floats{1, 2, 3});
  const Tensor other = program.step_values("other", Floats{0.5F});
  const Tensor y = multiply(x, factor);
  const Tensor z = affine(other, 2, 0);
  program.keep(y);
  program.keep(z);
  program.plan();
  program.write(x, Floats{1, 10, 100});
  program.replay();
  EXPECT_EQ(program.read(y), (Floats{1, 20, 300}));
  EXPECT_EQ(program.read(z), (Floats{1}));
  program.set_step_values(factor, Floats{-1, 0, 4});
  program.replay();
  EXPECT_EQ(program.read(y), (Floats{-1, 0, 400}));
  program.set_step_values(other, Floats{8});
  program.replay();
  EXPECT_EQ(program.read(y), (Floats{-1, 0, 400}));
  EXPECT_EQ(program.read_scalar(z), 16);
}

TEST(Program, NoiseFollowsSeedAndStep) {
  Machine machine;
  Program program(*machine.device, machine.parameters, {.gradients = false});
  const Tensor mean = program.constant("mean", {4, 5}, Floats(20, 0.F));
  const Tensor logvar = program.constant("logvar", {4, 5}, Floats(20, 0.F));
  const Tensor a = reparameterize(mean, logvar), b = reparameterize(mean, logvar);
  program.keep(a);
  program.keep(b);
  program.plan();
  const auto sample = [&](std::uint64_t seed, std::uint64_t step) {
    program.set_step(seed, step);
    program.replay();
    return program.read(a);
  };
  const Floats first = sample(1, 1);
  EXPECT_FALSE(same_bits(first, program.read(b))) << "two operations of one program make the same noise";
  EXPECT_FALSE(same_bits(first, sample(1, 2)));
  EXPECT_FALSE(same_bits(first, sample(2, 1)));
  EXPECT_FALSE(same_bits(first, sample(1, 1ULL << 32 | 1)));
  EXPECT_TRUE(same_bits(first, sample(1, 1)));
}

TEST(Program, StopGradientKeepsTheValueAndStopsTheGradient) {
  Machine machine;
  Program program(*machine.device, machine.parameters);
  const Tensor x = program.input("x", {5}, true), free = program.input("free", {5}, true);
  const Tensor square = multiply(x, x);
  const Tensor stopped = stop_gradient(square);
  EXPECT_FALSE(stopped.requires_gradient());
  const Tensor loss = sum(multiply(add(x, stopped), free));
  const LossGradients gradients = program.gradients(loss);
  const Tensor dx = gradients.of(x);
  for (const Tensor t : {square, stopped, dx, gradients.of(free)}) program.keep(t);
  program.plan();
  const Floats a = uniform(5, 1), b = uniform(5, 2);
  program.write(x, a);
  program.write(free, b);
  program.replay();
  EXPECT_TRUE(same_bits(program.read(stopped), program.read(square)));
  EXPECT_TRUE(same_bits(program.read(dx), b));
  Floats expected = a;
  for (std::size_t i = 0; i < 5; ++i) expected[i] += a[i] * a[i];
  EXPECT_TRUE(all_close(program.read(gradients.of(free)), expected, {1e-6, 1e-6}));
}

TEST(Program, PrintsItsPlan) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer trainer(machine, mlp, 16);
  const std::string table = trainer.program.plan_table();
  for (const char* part :
       {"tensor", "shape", "first/linear", "(16, 8)", "always", "in place", "arena", "parameter gradients"})
    EXPECT_NE(table.find(part), std::string::npos) << part << " is missing in\n" << table;
  EXPECT_LT(trainer.program.arena_bytes(), trainer.program.unshared_bytes());
}

TEST(Program, LaunchesCarryTheirScope) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer trainer(machine, mlp, 16);
  std::vector<std::string> names;
  for (const Program::Launch& launch : trainer.program.launches()) names.push_back(launch.name);
  for (const char* name : {"first/linear_forward", "second/linear_forward", "second/linear_backward_data",
                           "second/linear_backward_weight", "first/linear_backward_weight", "adam"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  EXPECT_EQ(std::find(names.begin(), names.end(), "first/linear_backward_data"), names.end())
      << "the input needs no gradient";
}

TEST(Program, FindsTheFirstNonFinite) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer trainer(machine, mlp, 16);
  EXPECT_EQ(trainer.program.find_non_finite(), "");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Floats weights = uniform(16, 3);
    weights[7] = bad;
    machine.parameters.write(mlp.w2, weights);
    const std::string found = trainer.program.find_non_finite();
    EXPECT_EQ(found.rfind("second/linear_forward", 0), 0U) << found;
  }
}

TEST(Program, ANanGradientLeavesParametersAndMomentsAlone) {
  Machine machine;
  const Mlp mlp(machine.parameters);
  Trainer trainer(machine, mlp, 16);
  trainer.step(1);
  using Kind = ParameterSet::Kind;
  const auto state = [&] {
    Floats all;
    for (const int index : {mlp.w1, mlp.b1, mlp.w2, mlp.b2})
      for (const Kind kind : {Kind::value, Kind::first_moment, Kind::second_moment})
        for (const float x : machine.parameters.read(index, kind)) all.push_back(x);
    return all;
  };
  const Floats before = state();
  Floats x = uniform(48, 10);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  trainer.program.write(trainer.x, x);
  trainer.step(2);
  EXPECT_TRUE(std::isnan(trainer.program.read_scalar(trainer.loss)));
  EXPECT_TRUE(same_bits(state(), before));
  x[5] = 1e30F;  // the square sum overflows
  trainer.program.write(trainer.x, x);
  machine.parameters.write(mlp.w2, Floats(16, 1e30F));
  const Floats overflowing = state();
  trainer.step(2);
  EXPECT_TRUE(same_bits(state(), overflowing));
}

TEST(Program, EagerValuesAndGradientsAreThereAtOnce) {
  Machine machine;
  Program program(*machine.device, machine.parameters, {.mode = Program::Mode::eager});
  const Tensor x = program.input("x", {2, 3}, true);
  program.write(x, Floats{1, 2, 3, 4, 5, 6});
  const Tensor y = affine(reshape(x, {6}), 2, 1);
  EXPECT_EQ(program.read(y), (Floats{3, 5, 7, 9, 11, 13}));
  EXPECT_EQ(program.read(stop_gradient(y)), (Floats{3, 5, 7, 9, 11, 13}));
  const LossGradients gradients = program.gradients(sum(multiply(y, y), 0.5F));
  EXPECT_EQ(gradients.of(x).shape(), x.shape());
  EXPECT_EQ(program.read(gradients.of(x)), (Floats{6, 10, 14, 18, 22, 26}));
}

// A view shares its tensor's memory, so keeping either keeps both.
TEST(Program, KeepingAViewKeepsItsTensor) {
  Machine machine;
  Program program(*machine.device, machine.parameters, {.gradients = false});
  const Tensor x = program.input("x", {2, 3});
  const Tensor y = affine(x, 2, 0);
  const Tensor view = reshape(y, {3, 2});
  program.keep(view);
  Tensor last = y;
  for (int i = 0; i < 5; ++i) last = affine(last, 1, 1);  // would reuse y's memory
  program.keep(last);
  program.plan();
  program.write(x, Floats{1, 2, 3, 4, 5, 6});
  program.replay();
  program.replay();
  EXPECT_EQ(program.read(view), (Floats{2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(program.read(y), program.read(view));
  EXPECT_EQ(program.read(last), (Floats{7, 9, 11, 13, 15, 17}));
}

}  // namespace
}  // namespace cuelbo::test
