// The one list of kernel contracts. The kernel tables, the CUDA variants, the lab's descriptions and the version of the device
// modules' interface follow from it; docs/new_operation.md adds a contract step by step.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/activation/activation.hpp"
#include "kernels/adam/adam.hpp"
#include "kernels/batch_norm/batch_norm.hpp"
#include "kernels/bernoulli/bernoulli.hpp"
#include "kernels/bias/bias.hpp"
#include "kernels/concrete/concrete.hpp"
#include "kernels/conv2d/conv2d.hpp"
#include "kernels/elbo_decomposition/elbo_decomposition.hpp"
#include "kernels/elementwise/elementwise.hpp"
#include "kernels/gaussian/gaussian.hpp"
#include "kernels/linear/linear.hpp"
#include "kernels/reduce/reduce.hpp"
#include "kernels/reparameterize/reparameterize.hpp"
#include "kernels/softmax/softmax.hpp"
#include "kernels/transpose/transpose.hpp"

// CONTRACT(name, Args) for every contract: `name` is what messages, tables and `cuelbo kernels` call it, Args is the struct of its
// arguments.
#define CUELBO_CONTRACTS(CONTRACT)                                 \
  CONTRACT(linear_forward, LinearForward)                          \
  CONTRACT(linear_backward_data, LinearBackwardData)               \
  CONTRACT(linear_backward_weight, LinearBackwardWeight)           \
  CONTRACT(conv2d_forward, Conv2dForward)                          \
  CONTRACT(conv2d_backward_data, Conv2dBackwardData)               \
  CONTRACT(conv2d_backward_weight, Conv2dBackwardWeight)           \
  CONTRACT(bias_backward, BiasBackward)                            \
  CONTRACT(activation_forward, ActivationForward)                  \
  CONTRACT(activation_backward, ActivationBackward)                \
  CONTRACT(softmax_forward, SoftmaxForward)                        \
  CONTRACT(softmax_backward, SoftmaxBackward)                      \
  CONTRACT(batch_norm_forward, BatchNormForward)                   \
  CONTRACT(batch_norm_inference, BatchNormInference)               \
  CONTRACT(batch_norm_backward, BatchNormBackward)                 \
  CONTRACT(bernoulli_forward, BernoulliForward)                    \
  CONTRACT(gaussian_likelihood_forward, GaussianLikelihoodForward) \
  CONTRACT(gaussian_density_forward, GaussianDensityForward)       \
  CONTRACT(gaussian_density_backward, GaussianDensityBackward)     \
  CONTRACT(reparameterize_forward, ReparameterizeForward)          \
  CONTRACT(reparameterize_backward, ReparameterizeBackward)        \
  CONTRACT(concrete_forward, ConcreteForward)                      \
  CONTRACT(concrete_backward, ConcreteBackward)                    \
  CONTRACT(elbo_decomposition_forward, ElboDecompositionForward)   \
  CONTRACT(elbo_decomposition_backward, ElboDecompositionBackward) \
  CONTRACT(sum_rows, SumRows)                                      \
  CONTRACT(broadcast_rows, BroadcastRows)                          \
  CONTRACT(sum_columns, SumColumns)                                \
  CONTRACT(broadcast_columns, BroadcastColumns)                    \
  CONTRACT(sum_of_squares, SumOfSquares)                           \
  CONTRACT(add, Add)                                               \
  CONTRACT(multiply, Multiply)                                     \
  CONTRACT(affine, Affine)                                         \
  CONTRACT(exp, Exp)                                               \
  CONTRACT(scale_rows, ScaleRows)                                  \
  CONTRACT(fill, Fill)                                             \
  CONTRACT(copy_columns, CopyColumns)                              \
  CONTRACT(transpose, Transpose)                                   \
  CONTRACT(adam, Adam)

namespace cuelbo::kernels {

// The name of the contract with these arguments.
template <class Args>
constexpr const char* contract_name = nullptr;
#define CUELBO_NAME(name, Args) \
  template <>                   \
  inline constexpr const char* contract_name<Args> = #name;
CUELBO_CONTRACTS(CUELBO_NAME)
#undef CUELBO_NAME

// A number that differs when a contract comes or goes, or when the size of its arguments changes (FNV-1a of both).
constexpr std::uint64_t contracts_version(std::uint64_t version) {
  const auto add = [&](std::uint64_t value) { version = (version ^ value) * 0x100000001b3; };
#define CUELBO_ADD(name, Args)                                                     \
  for (const char c : std::string_view(#name)) add(static_cast<unsigned char>(c)); \
  add(sizeof(Args));
  CUELBO_CONTRACTS(CUELBO_ADD)
#undef CUELBO_ADD
  return version;
}

}  // namespace cuelbo::kernels
