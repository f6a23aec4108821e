// The ladder. Each variant is implemented in the file with its name.
#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

#include "kernels/elbo_decomposition/elbo_decomposition_ladder.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

Variants<ElboDecompositionForward> elbo_decomposition_forward_variants() {
  static constexpr Variant<ElboDecompositionForward> variants[] = {
      {"pairwise",
       "all rows × columns × dims log-densities stored, then reduced, as frameworks do",
       {elbo_forward_pairwise, elbo_forward_pairwise_workspace, elbo_forward_pairwise_bytes}},
      {"thread",
       "one thread per row and block, online log-sum-exp over the columns: nothing is stored but the result",
       {elbo_forward_thread, nullptr, elbo_forward_thread_bytes}},
      {"block",
       "one warp or block per row, its columns shared among the threads: all lanes busy, more parallelism",
       {elbo_forward_block, nullptr, elbo_forward_block_bytes}},
      {"tiled",
       "columns through shared memory in tiles, read once for 128 rows; slices of them combined in order",
       {elbo_forward_tiled, elbo_forward_tiled_workspace, elbo_forward_tiled_bytes}},
      {"mma",
       "tiled, but blocks of 4 and more dimensions as [z², z] · [−1/2σ², μ/σ²] in 3×TF32: half of the reads "
       "of "
       "shared memory; small σ cancel",
       {elbo_forward_mma, elbo_forward_tiled_workspace, elbo_forward_mma_bytes},
       Precision::tf32}};
  return variants;
}

Variants<ElboDecompositionBackward> elbo_decomposition_backward_variants() {
  static constexpr Variant<ElboDecompositionBackward> variants[] = {
      {"pairwise",
       "the gradients of all rows × columns × dims log-densities stored, then reduced",
       {elbo_backward_pairwise, elbo_backward_pairwise_workspace, elbo_backward_pairwise_bytes}},
      {"thread",
       "one thread per gradient, pairs recomputed from the saved sums: nothing is stored but the result",
       {elbo_backward_thread, nullptr, elbo_backward_thread_bytes}},
      {"block",
       "one warp or block per row, then a column, its pairs shared among the threads: more of the lanes busy",
       {elbo_backward_block, nullptr, elbo_backward_block_bytes}},
      {"tiled",
       "a pass of rows and one of columns, the other side in tiles, read once for 128; partial sums in order",
       {elbo_backward_tiled, elbo_backward_tiled_workspace, elbo_backward_tiled_bytes}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
