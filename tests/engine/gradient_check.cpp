#include "tests/engine/gradient_check.hpp"

#include <algorithm>
#include <numeric>

namespace cuelbo::test {

namespace {

constexpr int all_inputs = -1, all_parameters = -2;  // else: the one input that needs a gradient

double largest(const Doubles& values) {
  double most = 0;
  for (const double x : values) most = std::max(most, std::abs(x));
  return most;
}

// Elements to differentiate numerically: all of a small input, else some, the corners among them.
std::vector<std::size_t> sample(std::size_t count, std::uint64_t seed) {
  constexpr std::size_t most = 24;
  std::vector<std::size_t> chosen(std::min(count, most));
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  if (count > most) {
    std::mt19937_64 generator(seed);
    for (std::size_t& i : chosen) i = generator() % count;
    chosen[0] = 0;
    chosen[1] = count - 1;
  }
  return chosen;
}

struct Result {
  Floats y;
  std::vector<Floats> gradients;  // one an input, empty where none was asked for
};

Result run_engine(const GradientCase& check, const Floats& loss_weights, int differentiated) {
  Machine machine;
  const bool as_parameters = differentiated == all_parameters;
  std::vector<int> indices;
  if (as_parameters)
    for (std::size_t i = 0; i < check.inputs.size(); ++i)
      indices.push_back(machine.parameters.create("parameter " + std::to_string(i), check.inputs[i].shape,
                                                  check.inputs[i].values));
  Program program(*machine.device, machine.parameters);
  std::vector<Tensor> inputs;
  std::vector<bool> wanted;
  for (std::size_t i = 0; i < check.inputs.size(); ++i) {
    wanted.push_back(differentiated < 0 || differentiated == static_cast<int>(i));
    inputs.push_back(as_parameters
                         ? program.parameter(indices[i])
                         : program.input("input " + std::to_string(i), check.inputs[i].shape, wanted[i]));
  }
  const Tensor y = check.record(program, inputs);
  const Tensor weights = program.constant("loss weights", y.shape(), loss_weights);
  const LossGradients gradients = program.gradients(sum(multiply(y, weights)));
  program.keep(y);
  program.keep(gradients.flat());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (wanted[i]) program.keep(gradients.of(inputs[i]));
  program.plan();
  if (!as_parameters)
    for (std::size_t i = 0; i < inputs.size(); ++i) program.write(inputs[i], check.inputs[i].values);
  program.set_step(noise_step.seed, noise_step.step);
  program.replay();
  program.replay();  // with the memory as the first replay left it

  Result result{.y = program.read(y)};
  for (std::size_t i = 0; i < inputs.size(); ++i)
    result.gradients.push_back(wanted[i] ? program.read(gradients.of(inputs[i])) : Floats{});
  if (as_parameters) {
    const Floats flat = program.read(gradients.flat());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto begin = flat.begin() + machine.parameters.parameter(indices[i]).offset;
      EXPECT_TRUE(same_bits(Floats(begin, begin + inputs[i].size()), result.gradients[i]))
          << "in the flat gradients";
    }
  }
  return result;
}

}  // namespace

void check_gradients(const GradientCase& check) {
  std::vector<Doubles> x;
  for (const GradientInput& input : check.inputs) x.push_back(to_double(input.values));
  const Doubles y = check.reference(x);
  Floats loss_weights = away_from_zero(std::ssize(y), 99, 0.5F);
  const auto loss = [&] {
    const Doubles values = check.reference(x);
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += static_cast<double>(loss_weights[i]) * values[i];
    return sum;
  };

  struct Slopes {
    std::vector<std::size_t> at;
    Doubles values;
  };
  std::vector<Slopes> expected;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Slopes slopes{.at = sample(x[i].size(), i)};
    for (const std::size_t k : slopes.at) {
      constexpr double h = 2e-6;
      const double centre = x[i][k];
      x[i][k] = centre + h;
      const double above = loss();
      x[i][k] = centre - h;
      const double below = loss();
      x[i][k] = centre;
      slopes.values.push_back((above - below) / (2 * h));
    }
    expected.push_back(std::move(slopes));
  }

  std::vector<int> programs = {all_inputs, all_parameters};
  if (x.size() > 1)
    for (int i = 0; i < std::ssize(x); ++i) programs.push_back(i);
  for (const int differentiated : programs) {
    SCOPED_TRACE(differentiated == all_inputs       ? std::string("inputs")
                 : differentiated == all_parameters ? std::string("parameters")
                                                    : "input " + std::to_string(differentiated) + " alone");
    const Result result = run_engine(check, loss_weights, differentiated);
    EXPECT_TRUE(all_close(result.y, y, {check.value_tolerance * (1e-3 + largest(y)), check.value_tolerance}))
        << "values";
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (result.gradients[i].empty()) continue;
      Floats actual;
      for (const std::size_t k : expected[i].at) actual.push_back(result.gradients[i][k]);
      EXPECT_TRUE(all_close(
          actual, expected[i].values,
          {check.gradient_tolerance * (1e-3 + largest(expected[i].values)), check.gradient_tolerance}))
          << "gradient of input " << i;
      for (const float g : result.gradients[i]) ASSERT_TRUE(std::isfinite(g)) << "gradient of input " << i;
    }
  }
}

}  // namespace cuelbo::test
