// Reparameterization with the noise in memory: made by a kernel of ours, or by cuRAND.
#pragma once

#include "kernels/reparameterize/reparameterize.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

void forward_noise_buffer(const ReparameterizeForward& a, Stream stream);
std::size_t noise_buffer_workspace(const ReparameterizeForward& a);

// None if cuRAND was not there when this was built.
Variants<ReparameterizeForward> reparameterize_forward_library_variants();

}  // namespace cuelbo::kernels::cuda
