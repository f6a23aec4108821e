// Adam, clipping and schedules through the engine, against loops in double.
#include "engine/optimizer.hpp"

#include <limits>

#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// ½ Σ curvature · (p − target)², of two parameters.
struct Quadratic {
  explicit Quadratic(const AdamOptions& adam, int threads = 1) : options(adam), machine(threads) {
    ParameterSet& parameters = machine.parameters;
    for (const std::int64_t n : {7, 33})
      indices.push_back(parameters.create(fmt::format("p{}", n), {n}, uniform(n, 1, 2, 4)));
    program = std::make_unique<Program>(*machine.device, parameters);
    for (const int index : indices) {
      const Tensor p = program->parameter(index);
      const Tensor distance =
          add(p, program->constant("minus target", p.shape(), uniform(p.size(), 2, -1, 1)));
      const Tensor curvature = program->constant("curvature", p.shape(), uniform(p.size(), 3, 0.5F, 5));
      const Tensor part = sum(multiply(multiply(distance, distance), curvature), 0.5F);
      loss = loss ? add(loss, part) : part;
    }
    optimizer = std::make_unique<Adam>(*program, program->gradients(loss), options);
    square_sum = optimizer->gradient_square_sum();
    program->keep(square_sum);
    program->plan();
  }

  void step(std::int64_t number, double rate) {
    optimizer->set_step(number, rate);
    program->replay();
  }
  Floats read(ParameterSet::Kind kind) {
    Floats all;
    for (const int index : indices)
      for (const float x : machine.parameters.read(index, kind)) all.push_back(x);
    return all;
  }

  AdamOptions options;
  Machine machine;
  std::vector<int> indices;
  std::unique_ptr<Program> program;
  std::unique_ptr<Adam> optimizer;
  Tensor loss, square_sum;
};

// The same by the paper's formulas.
struct QuadraticInDouble {
  void step(std::int64_t number, double rate, const AdamOptions& o) {
    Doubles g(p.size());
    square_sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      g[i] = curvature[i] * (p[i] + minus_target[i]);
      square_sum += g[i] * g[i];
    }
    const double norm = std::sqrt(square_sum);
    const double scale = o.gradient_clip > 0 && norm > o.gradient_clip ? o.gradient_clip / (norm + 1e-6) : 1;
    for (std::size_t i = 0; i < p.size(); ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i] * scale;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * scale * g[i] * scale;
      const double m_hat = m[i] / (1 - std::pow(o.beta1, static_cast<double>(number)));
      const double v_hat = v[i] / (1 - std::pow(o.beta2, static_cast<double>(number)));
      p[i] -= rate * m_hat / (std::sqrt(v_hat) + o.epsilon);
    }
  }

  static Doubles both(std::uint64_t seed, float low, float high) {
    Doubles all;
    for (const std::int64_t n : {7, 33})
      for (const float x : uniform(n, seed, low, high)) all.push_back(x);
    return all;
  }
  Doubles p = both(1, 2, 4), minus_target = both(2, -1, 1), curvature = both(3, 0.5F, 5);
  Doubles m = Doubles(40), v = Doubles(40);
  double square_sum = 0;
};

void follow(const AdamOptions& options, const Schedule& rate, int steps) {
  Quadratic engine(options);
  QuadraticInDouble expected;
  for (int i = 1; i <= steps; ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    const double now = rate.at(i - 1);
    engine.step(i, now);
    expected.step(i, now, options);
    using Kind = ParameterSet::Kind;
    ASSERT_TRUE(all_close(Doubles{engine.program->read_scalar(engine.square_sum)},
                          Doubles{expected.square_sum}, {0, 1e-5}));
    ASSERT_TRUE(all_close(engine.read(Kind::value), expected.p, {3e-6, 3e-6}));
    ASSERT_TRUE(all_close(engine.read(Kind::first_moment), expected.m, {1e-5 * (1e-3), 1e-5}));
    ASSERT_TRUE(all_close(engine.read(Kind::second_moment), expected.v, {0, 1e-5}));
  }
}

TEST(Adam, FollowsTheFormulas) { follow({}, Schedule::constant(0.01), 50); }

// 1 − beta2 in fp32 would be off by 1.3e-5 of itself, which the first step's second moment would show.
TEST(Adam, BetasKeepTheirPrecision) {
  const AdamOptions options{.beta1 = 0.8, .beta2 = 0.9999};
  Quadratic engine(options);
  QuadraticInDouble expected;
  engine.step(1, 0.01);
  expected.step(1, 0.01, options);
  EXPECT_TRUE(all_close(engine.read(ParameterSet::Kind::first_moment), expected.m, {0, 1e-6}));
  EXPECT_TRUE(all_close(engine.read(ParameterSet::Kind::second_moment), expected.v, {0, 1e-6}));
}

TEST(Adam, FollowsTheFormulasWithClippingAndASchedule) {
  follow({.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-3, .gradient_clip = 2},
         {.from = 0.1, .to = 0.001, .steps = 20}, 40);
  follow({.gradient_clip = 1e6}, Schedule::constant(0.01), 5);  // never reached
}

TEST(Adam, TheFirstStepMovesByTheLearningRate) {
  Quadratic engine({.epsilon = 0});
  const Floats before = engine.read(ParameterSet::Kind::value);
  engine.step(1, 0.125);
  Doubles expected = to_double(before);
  for (double& x : expected) x -= 0.125;  // every gradient is positive
  EXPECT_TRUE(all_close(engine.read(ParameterSet::Kind::value), expected, {1e-6, 1e-6}));
}

TEST(Adam, ReachesTheMinimum) {
  Quadratic engine({});
  const Schedule rate{.from = 0.1, .to = 1e-4, .steps = 1000};
  for (int i = 1; i <= 1000; ++i) engine.step(i, rate.at(i - 1));
  Doubles target = QuadraticInDouble::both(2, -1, 1);
  for (double& x : target) x = -x;
  EXPECT_TRUE(all_close(engine.read(ParameterSet::Kind::value), target, {1e-3, 1e-3}));
}

TEST(Adam, GivesTheSameBitsOnAnyNumberOfThreads) {
  const AdamOptions options{.gradient_clip = 2};
  Quadratic reference(options);
  for (int i = 1; i <= 10; ++i) reference.step(i, 0.01);
  for (const int threads : {2, 3}) {
    Quadratic other(options, threads);
    for (int i = 1; i <= 10; ++i) other.step(i, 0.01);
    EXPECT_TRUE(same_bits(other.read(ParameterSet::Kind::value), reference.read(ParameterSet::Kind::value)));
  }
}

TEST(Schedule, MovesLinearlyAndStays) {
  const Schedule schedule{.from = 1, .to = 3, .steps = 4};
  EXPECT_EQ(schedule.at(0), 1);
  EXPECT_EQ(schedule.at(1), 1.5);
  EXPECT_EQ(schedule.at(3), 2.5);
  EXPECT_EQ(schedule.at(4), 3);
  EXPECT_EQ(schedule.at(std::numeric_limits<std::int64_t>::max()), 3);
  const Schedule down{.from = 1, .to = 0, .steps = 1};
  EXPECT_EQ(down.at(0), 1);
  EXPECT_EQ(down.at(1), 0);
  EXPECT_EQ(Schedule::constant(0.25).at(0), 0.25);
  EXPECT_EQ(Schedule::constant(0.25).at(1000), 0.25);
}

// A group that is not optimized keeps its bits, moments of an earlier optimizer included.
TEST(Adam, LeavesOtherGroupsAlone) {
  using Kind = ParameterSet::Kind;
  Machine machine;
  ParameterSet& parameters = machine.parameters;
  const int second = parameters.create_group("second");
  const int a = parameters.create("a", {5}, uniform(5, 1)),
            b = parameters.create("b", {5}, uniform(5, 2), true, second);
  Program program(*machine.device, parameters);
  const Tensor product = multiply(program.parameter(a), program.parameter(b));
  const LossGradients gradients = program.gradients(sum(multiply(product, product)));
  Adam first(program, gradients, {}, 0), other(program, gradients, {}, second);
  program.plan();
  first.set_step(1, 0.1);
  other.set_step(1, 0.01);
  program.replay();
  const auto state = [&](int index) {
    return std::vector{parameters.read(index), parameters.read(index, Kind::first_moment),
                       parameters.read(index, Kind::second_moment)};
  };
  EXPECT_NE(state(a)[0], uniform(5, 1));
  EXPECT_NE(state(b)[0], uniform(5, 2));
  Program only(*machine.device, parameters);
  const Tensor again = multiply(only.parameter(a), only.parameter(b));
  Adam update(only, only.gradients(sum(again), {second}), {}, second);
  only.plan();
  const auto of_a = state(a), of_b = state(b);
  update.set_step(2, 0.1);
  only.replay();
  EXPECT_EQ(state(a), of_a);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NE(state(b)[i], of_b[i]);
}

}  // namespace
}  // namespace cuelbo::test
