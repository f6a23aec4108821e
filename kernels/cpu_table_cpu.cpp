// Fills the kernel table of one instruction set. A kernel is a function with the name of its table entry; a contract with
// a workspace has a second one, <name>_workspace, that tells its size. Kernels of products are made for a precision.
#include "kernels/kernel_table.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

const KernelTable& table(Precision precision);

Kernel<LinearForward> linear_forward(Precision);
Kernel<LinearBackwardData> linear_backward_data(Precision);
Kernel<LinearBackwardWeight> linear_backward_weight(Precision);
Kernel<Conv2dForward> conv2d_forward(Precision);
Kernel<Conv2dBackwardData> conv2d_backward_data(Precision);
Kernel<Conv2dBackwardWeight> conv2d_backward_weight(Precision);
void bias_backward(const BiasBackward&, Stream);
std::size_t bias_backward_workspace(const BiasBackward&);
void activation_forward(const ActivationForward&, Stream);
void activation_backward(const ActivationBackward&, Stream);
void softmax_forward(const SoftmaxForward&, Stream);
void softmax_backward(const SoftmaxBackward&, Stream);
void batch_norm_forward(const BatchNormForward&, Stream);
std::size_t batch_norm_forward_workspace(const BatchNormForward&);
void batch_norm_inference(const BatchNormInference&, Stream);
void batch_norm_backward(const BatchNormBackward&, Stream);
std::size_t batch_norm_backward_workspace(const BatchNormBackward&);
void bernoulli_forward(const BernoulliForward&, Stream);
void gaussian_likelihood_forward(const GaussianLikelihoodForward&, Stream);
void gaussian_density_forward(const GaussianDensityForward&, Stream);
void gaussian_density_backward(const GaussianDensityBackward&, Stream);
void reparameterize_forward(const ReparameterizeForward&, Stream);
void reparameterize_backward(const ReparameterizeBackward&, Stream);
void concrete_forward(const ConcreteForward&, Stream);
void concrete_backward(const ConcreteBackward&, Stream);
void elbo_decomposition_forward(const ElboDecompositionForward&, Stream);
std::size_t elbo_decomposition_forward_workspace(const ElboDecompositionForward&);
void elbo_decomposition_backward(const ElboDecompositionBackward&, Stream);
std::size_t elbo_decomposition_backward_workspace(const ElboDecompositionBackward&);
void sum_rows(const SumRows&, Stream);
std::size_t sum_rows_workspace(const SumRows&);
void broadcast_rows(const BroadcastRows&, Stream);
void sum_columns(const SumColumns&, Stream);
void broadcast_columns(const BroadcastColumns&, Stream);
void sum_of_squares(const SumOfSquares&, Stream);
std::size_t sum_of_squares_workspace(const SumOfSquares&);
void add(const Add&, Stream);
void multiply(const Multiply&, Stream);
void affine(const Affine&, Stream);
void exp(const Exp&, Stream);
void scale_rows(const ScaleRows&, Stream);
void fill(const Fill&, Stream);
void copy_columns(const CopyColumns&, Stream);
void adam(const Adam&, Stream);

namespace {

KernelTable make_table(Precision precision) {
  return {
      .linear_forward = linear_forward(precision),
      .linear_backward_data = linear_backward_data(precision),
      .linear_backward_weight = linear_backward_weight(precision),

      .conv2d_forward = conv2d_forward(precision),
      .conv2d_backward_data = conv2d_backward_data(precision),
      .conv2d_backward_weight = conv2d_backward_weight(precision),
      .bias_backward = {bias_backward, bias_backward_workspace},

      .activation_forward = {activation_forward, nullptr},
      .activation_backward = {activation_backward, nullptr},
      .softmax_forward = {softmax_forward, nullptr},
      .softmax_backward = {softmax_backward, nullptr},
      .batch_norm_forward = {batch_norm_forward, batch_norm_forward_workspace},
      .batch_norm_inference = {batch_norm_inference, nullptr},
      .batch_norm_backward = {batch_norm_backward, batch_norm_backward_workspace},

      .bernoulli_forward = {bernoulli_forward, nullptr},
      .gaussian_likelihood_forward = {gaussian_likelihood_forward, nullptr},
      .gaussian_density_forward = {gaussian_density_forward, nullptr},
      .gaussian_density_backward = {gaussian_density_backward, nullptr},

      .reparameterize_forward = {reparameterize_forward, nullptr},
      .reparameterize_backward = {reparameterize_backward, nullptr},
      .concrete_forward = {concrete_forward, nullptr},
      .concrete_backward = {concrete_backward, nullptr},
      .elbo_decomposition_forward = {elbo_decomposition_forward, elbo_decomposition_forward_workspace},
      .elbo_decomposition_backward = {elbo_decomposition_backward, elbo_decomposition_backward_workspace},

      .sum_rows = {sum_rows, sum_rows_workspace},
      .broadcast_rows = {broadcast_rows, nullptr},
      .sum_columns = {sum_columns, nullptr},
      .broadcast_columns = {broadcast_columns, nullptr},
      .sum_of_squares = {sum_of_squares, sum_of_squares_workspace},
      .add = {add, nullptr},
      .multiply = {multiply, nullptr},
      .affine = {affine, nullptr},
      .exp = {exp, nullptr},
      .scale_rows = {scale_rows, nullptr},
      .fill = {fill, nullptr},
      .copy_columns = {copy_columns, nullptr},

      .adam = {adam, nullptr},
  };
}

}  // namespace

const KernelTable& table(Precision precision) {
  static const KernelTable fp32 = make_table(Precision::fp32), bf16 = make_table(Precision::bf16);
  return precision == Precision::bf16 ? bf16 : fp32;
}

}  // namespace cuelbo::kernels::CUELBO_ISA
