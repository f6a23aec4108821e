// The workspaces of the CPU's paths are checked for every vector length, on any CPU: the formulas are compiled here without
// the instructions of the paths.
#define CUELBO_ISA baseline
#include "kernels/elbo_decomposition/backward_memory.hpp"
#include "kernels/elbo_decomposition/forward_memory.hpp"

#include <gtest/gtest.h>

#include "kernels/cpu_tables.hpp"
#include "tests/kernels/elbo_decomposition_problem.hpp"
#include "tests/kernels/simd_functions.hpp"

namespace cuelbo::test {
namespace {

struct Bytes {
  std::size_t forward, backward;
};

Bytes workspace_of(const kernels::ElboDecompositionShape& shape, int lanes) {
  const kernels::BlockPlan plan = kernels::measure_block_plan(shape);
  return {.forward = kernels::baseline::take_forward_memory(shape, plan, nullptr, lanes).bytes,
          .backward = kernels::baseline::take_backward_memory(shape, plan, nullptr, lanes).bytes};
}

kernels::ElboDecompositionShape shape_of(std::int64_t batch, std::int32_t dims, const Blocks& blocks) {
  kernels::ElboDecompositionShape shape;
  shape.rows = shape.columns = batch;
  shape.dims = dims;
  shape.blocks = blocks.data();
  shape.block_count = static_cast<std::int32_t>(blocks.size());
  return shape;
}

TEST(ElboDecompositionMemory, StaysBelowFortyMegabytesAtTheLargestBatchForEveryVectorLength) {
  const Blocks blocks = hfvae_blocks(64, 8);
  const kernels::ElboDecompositionShape shape = shape_of(16384, 64, blocks);
  for (const int lanes : {4, 8, 16}) {
    const Bytes bytes = workspace_of(shape, lanes);
    EXPECT_LT(bytes.forward + bytes.backward, 40'000'000U)
        << lanes << " lanes: " << bytes.forward << " + " << bytes.backward;
  }
}

// The formulas above are those of the paths.
TEST(ElboDecompositionMemory, EveryPathAsksForWhatTheFormulasOfItsVectorLengthSay) {
  for (const std::int64_t batch : {1, 64, 16384}) {
    for (const std::int32_t dims : {3, 64}) {
      const Blocks blocks = hfvae_blocks(dims, 8);
      const kernels::ElboDecompositionShape shape = shape_of(batch, dims, blocks);
      for (const kernels::CpuPath& path : kernels::cpu_tables()) {
        const kernels::KernelTable& table = path.table(kernels::Precision::fp32);
        const Bytes bytes = workspace_of(shape, simd_functions_of(path.name).lanes);
        EXPECT_EQ(table.elbo_decomposition_forward.workspace({.shape = shape}), bytes.forward) << path.name;
        EXPECT_EQ(table.elbo_decomposition_backward.workspace({.shape = shape}), bytes.backward) << path.name;
      }
    }
  }
}

}  // namespace
}  // namespace cuelbo::test
