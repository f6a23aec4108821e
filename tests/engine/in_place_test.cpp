// Tensors that take over the memory of others: launches of the test declare pairs, the plan decides.
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// y = x + 1 from `from` to `to`, allowed in place.
void increment(Program& program, Tensor from, Tensor to) {
  program.launch({from}, {to},
                 [=](const Addresses& at) {
                   return kernels::Affine{
                       .count = to.size(), .factor = 1, .offset = 1, .x = at.read(from), .y = at.write(to)};
                 },
                 {{from, to}});
}

const Program::Placement& placement(const std::vector<Program::Placement>& all, const std::string& name) {
  for (const Program::Placement& p : all)
    if (p.name == name) return p;
  throw Error("no placement of '" + name + "'");
}

class InPlace : public testing::Test {
 protected:
  bool shares(const std::string& name) { return placement(program.placements(), name).shares_with >= 0; }

  Machine machine;
  Program program{*machine.device, machine.parameters};
  Tensor x = program.input("x", {64});
  Tensor a = program.tensor("a", {64}), b = program.tensor("b", {64}), c = program.tensor("c", {64});
};

TEST_F(InPlace, ADyingInputGivesItsMemory) {
  increment(program, x, a);
  increment(program, a, b);
  increment(program, b, c);
  EXPECT_FALSE(shares("a")) << "x is an input and stays";
  EXPECT_TRUE(shares("b"));
  EXPECT_TRUE(shares("c"));
}

TEST_F(InPlace, NotWhileTheInputIsStillNeeded) {
  increment(program, x, a);
  increment(program, a, b);
  increment(program, a, c);
  EXPECT_FALSE(shares("b"));
  EXPECT_TRUE(shares("c"));
}

TEST_F(InPlace, NotWhileAViewOfTheInputIsStillNeeded) {
  increment(program, x, a);
  increment(program, a, b);
  increment(program, program.view(a, {8, 8}), c);
  EXPECT_FALSE(shares("b"));
}

TEST_F(InPlace, NotWhenEitherIsKept) {
  increment(program, x, a);
  increment(program, a, b);
  increment(program, b, c);
  program.keep(program.view(a, {8, 8}));
  program.keep(c);
  EXPECT_FALSE(shares("b"));
  EXPECT_FALSE(shares("c"));
}

TEST_F(InPlace, NotBetweenDifferentParts) {
  increment(program, x, a);
  increment(program, program.view(a, {32}, 16), program.view(b, {32}, 0));
  increment(program, x, program.view(b, {32}, 32));
  increment(program, b, c);
  EXPECT_FALSE(shares("b")) << "the kernel would read what it has already written";
}

TEST_F(InPlace, OneInputServesOneOutput) {
  increment(program, x, a);
  const auto make = [=, this](const Addresses& at) {
    return kernels::GaussianDensityBackward{
        .count = 64, .z = at.read(x), .dlog_density = at.read(a), .dz = at.write(b), .dmean = at.write(c)};
  };
  program.launch({x, a}, {b, c}, make, {{a, b}, {a, c}});
  EXPECT_TRUE(shares("b"));
  EXPECT_FALSE(shares("c"));
}

// Written by several launches, as the flat gradients are: it is born at the first.
TEST_F(InPlace, ATensorWrittenInPartsLivesFromTheFirst) {
  increment(program, x, a);
  increment(program, program.view(a, {32}, 0), program.view(b, {32}, 0));
  increment(program, x, c);
  increment(program, program.view(a, {32}, 32), program.view(b, {32}, 32));
  const Tensor d = program.tensor("d", {64});
  increment(program, b, d);
  program.keep(d);
  program.plan();
  const auto all = program.placements();
  EXPECT_EQ(placement(all, "b").first, 1);
  EXPECT_EQ(placement(all, "b").last, 4);
  program.write(x, uniform(64, 1));
  program.replay();
  Floats expected = uniform(64, 1);
  for (float& value : expected) value = ((value + 1) + 1) + 1;
  EXPECT_TRUE(same_bits(program.read(d), expected));
}

}  // namespace
}  // namespace cuelbo::test
