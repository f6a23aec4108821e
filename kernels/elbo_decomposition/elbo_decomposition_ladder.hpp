// The launchers that the files of the CUDA ladder share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"

namespace cuelbo::kernels::cuda {

struct BlockTable;

void elbo_forward_pairwise(const ElboDecompositionForward& a, Stream stream);
std::size_t elbo_forward_pairwise_workspace(const ElboDecompositionForward& a);
void elbo_backward_pairwise(const ElboDecompositionBackward& a, Stream stream);
std::size_t elbo_backward_pairwise_workspace(const ElboDecompositionBackward& a);
std::int64_t elbo_forward_pairwise_bytes(const ElboDecompositionForward& a);
std::int64_t elbo_backward_pairwise_bytes(const ElboDecompositionBackward& a);

void elbo_forward_thread(const ElboDecompositionForward& a, Stream stream);
void elbo_backward_thread(const ElboDecompositionBackward& a, Stream stream);
// drow_probabilities, of which no pair is part, and dprobabilities: one thread per number.
void elbo_row_probabilities(const ElboDecompositionBackward& a, const BlockTable& table, Stream stream);
void elbo_probabilities(const ElboDecompositionBackward& a, const BlockTable& table, Stream stream);
std::int64_t elbo_forward_thread_bytes(const ElboDecompositionForward& a);
std::int64_t elbo_backward_thread_bytes(const ElboDecompositionBackward& a);

void elbo_forward_block(const ElboDecompositionForward& a, Stream stream);
void elbo_backward_block(const ElboDecompositionBackward& a, Stream stream);
std::int64_t elbo_forward_block_bytes(const ElboDecompositionForward& a);
std::int64_t elbo_backward_block_bytes(const ElboDecompositionBackward& a);

void elbo_forward_tiled(const ElboDecompositionForward& a, Stream stream);
std::size_t elbo_forward_tiled_workspace(const ElboDecompositionForward& a);
void elbo_forward_mma(const ElboDecompositionForward& a, Stream stream);  // workspace as tiled
void elbo_backward_tiled(const ElboDecompositionBackward& a, Stream stream);
std::size_t elbo_backward_tiled_workspace(const ElboDecompositionBackward& a);
std::int64_t elbo_forward_tiled_bytes(const ElboDecompositionForward& a);
std::int64_t elbo_forward_mma_bytes(const ElboDecompositionForward& a);
std::int64_t elbo_backward_tiled_bytes(const ElboDecompositionBackward& a);

}  // namespace cuelbo::kernels::cuda
