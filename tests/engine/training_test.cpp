// A small regression: the whole chain of record, plan and replay learns, and gives the same bits on any number of threads.
#include "engine/optimizer.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// y = sin(2 x₀) · x₁ on [−1, 1]², learned by two layers.
struct Regression {
  static constexpr std::int64_t batch = 256, hidden = 64;

  explicit Regression(int threads) : machine(threads) {
    ParameterSet& p = machine.parameters;
    const int w1 = p.create("w1", {hidden, 2}, uniform(hidden * 2, 1, -1.5F, 1.5F));
    const int b1 = p.create("b1", {hidden}, uniform(hidden, 2, -1, 1));
    const int w2 = p.create("w2", {1, hidden}, uniform(hidden, 3, -0.2F, 0.2F));
    const int b2 = p.create("b2", {1}, Floats(1));
    program = std::make_unique<Program>(*machine.device, p);
    x = program->input("x", {batch, 2});
    minus_y = program->input("minus y", {batch, 1});
    const Tensor h = linear(x, program->parameter(w1), program->parameter(b1), Activation::tanh);
    const Tensor error = add(linear(h, program->parameter(w2), program->parameter(b2)), minus_y);
    loss = sum(multiply(error, error), 1.0F / batch);
    program->keep(loss);
    adam = std::make_unique<Adam>(*program, program->gradients(loss), options);
    program->plan();
  }

  // Mean squared error before update `number`.
  float step(std::int64_t number) {
    const Floats points = uniform(batch * 2, static_cast<std::uint64_t>(number));
    Floats values(batch);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = -std::sin(2 * points[2 * i]) * points[2 * i + 1];
    program->write(x, points);
    program->write(minus_y, values);
    adam->set_step(number, 0.01);
    program->replay();
    return program->read_scalar(loss);
  }

  AdamOptions options{.gradient_clip = 1};
  Machine machine;
  std::unique_ptr<Program> program;
  std::unique_ptr<Adam> adam;
  Tensor x, minus_y, loss;
};

TEST(Training, AnMlpLearnsAFunction) {
  Regression regression(2);
  const float first = regression.step(1);
  EXPECT_GT(first, 0.05F);
  float last = first;
  for (int i = 2; i <= 1500; ++i) last = regression.step(i);
  EXPECT_LT(last, 1e-3F);
}

TEST(Training, GivesTheSameBitsOnAnyNumberOfThreads) {
  const auto run = [](int threads) {
    Regression regression(threads);
    Floats all;
    for (int i = 1; i <= 30; ++i) all.push_back(regression.step(i));
    for (int index = 0; index < 4; ++index)
      for (const auto kind :
           {ParameterSet::Kind::value, ParameterSet::Kind::first_moment, ParameterSet::Kind::second_moment})
        for (const float value : regression.machine.parameters.read(index, kind)) all.push_back(value);
    return all;
  };
  const Floats one = run(1);
  EXPECT_TRUE(same_bits(run(1), one));
  EXPECT_TRUE(same_bits(run(2), one));
  EXPECT_TRUE(same_bits(run(3), one));
}

}  // namespace
}  // namespace cuelbo::test
