// Random programs: their memory plans are sound, and replay gives the bits of eager mode on any number of threads.
#include "tests/engine/random_graph.hpp"

#include <algorithm>

namespace cuelbo::test {
namespace {

using Placements = std::vector<Program::Placement>;

std::size_t storage_of(const Placements& placements, std::size_t i) {
  return placements[i].shares_with < 0 ? i : static_cast<std::size_t>(placements[i].shares_with);
}

// Checks the plan pair by pair: two tensors that are alive at one launch share no byte, unless one was declared to take
// over the other's memory and begins at the launch where the other ends.
void check_placements(const Program& program) {
  const Placements placements = program.placements();
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const Program::Placement& a = placements[i];
    if (a.offset < 0) continue;
    ASSERT_EQ(a.offset % 64, 0) << a.name;
    ASSERT_LE(a.offset + a.bytes, program.arena_bytes()) << a.name;
    if (a.shares_with >= 0) {
      const Program::Placement& owner = placements[static_cast<std::size_t>(a.shares_with)];
      ASSERT_EQ(owner.shares_with, -1);
      ASSERT_EQ(owner.offset, a.offset);
      ASSERT_EQ(owner.bytes, a.bytes);
      ASSERT_FALSE(a.persistent || owner.persistent) << a.name << " in " << owner.name;
    }
    for (std::size_t j = 0; j < i; ++j) {
      const Program::Placement& b = placements[j];
      if (b.offset < 0) continue;
      const bool bytes_meet = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      const bool lives_meet = a.first <= b.last && b.first <= a.last;
      if (!bytes_meet || !lives_meet) continue;
      ASSERT_EQ(storage_of(placements, i), storage_of(placements, j)) << a.name << " and " << b.name;
      ASSERT_TRUE(a.first == b.last || b.first == a.last) << a.name << " and " << b.name;
    }
  }
  EXPECT_LT(program.arena_bytes(), program.unshared_bytes());
}

std::vector<Floats> values(RandomGraph& graph) {
  std::vector<Floats> all;
  for (const Tensor t : graph.kept) all.push_back(graph.program.read(t));
  return all;
}

void expect_same(const std::vector<Floats>& actual, const std::vector<Floats>& expected,
                 const RandomGraph& graph) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_TRUE(same_bits(actual[i], expected[i])) << graph.kept[i].name();
}

TEST(RandomGraph, PlansAreSoundAndReplayEqualsEagerMode) {
  std::size_t shared = 0, reached = 0;
  for (std::uint64_t seed = 1; seed <= 160; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const int operations = 20 + static_cast<int>(seed % 3) * 20;
    Machine eager_machine(1);
    RandomGraph eager(eager_machine, seed, operations, Program::Mode::eager);
    const std::vector<Floats> expected = values(eager);

    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(std::to_string(threads) + " threads");
      Machine machine(threads);
      RandomGraph planned(machine, seed, operations, Program::Mode::planned);
      ASSERT_EQ(planned.program.launches().size(), eager.program.launches().size());
      if (threads == 1) {
        check_placements(planned.program);
        if (HasFatalFailure()) return;
        for (const Program::Placement& p : planned.program.placements()) shared += p.shares_with >= 0 ? 1 : 0;
      }
      planned.program.set_step(seed, 3);
      planned.program.replay();
      expect_same(values(planned), expected, planned);
      planned.program.set_step(seed,
                               4);  // other noise, so that everything has other values before the next replay
      planned.program.replay();
      planned.program.set_step(seed, 3);
      planned.program.replay();
      expect_same(values(planned), expected, planned);
      if (HasFatalFailure()) return;
    }
    const Floats gradients = eager.program.read(eager.flat_gradients);
    reached += std::any_of(gradients.begin(), gradients.end(), [](float g) { return g != 0; }) ? 1 : 0;
  }
  EXPECT_GT(shared, 2000U) << "the graphs hardly use memory in place";
  EXPECT_GT(reached, 150U) << "the graphs hardly reach a parameter";
}

}  // namespace
}  // namespace cuelbo::test
