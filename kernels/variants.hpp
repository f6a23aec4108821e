// The CUDA variants of every kernel. Each .cu file defines those of its contracts.
#pragma once

#include "kernels/kernel_table.hpp"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

Variants<LinearForward> linear_forward_variants();
Variants<LinearBackwardData> linear_backward_data_variants();
Variants<LinearBackwardWeight> linear_backward_weight_variants();
Variants<Conv2dForward> conv2d_forward_variants();
Variants<Conv2dBackwardData> conv2d_backward_data_variants();
Variants<Conv2dBackwardWeight> conv2d_backward_weight_variants();
Variants<BiasBackward> bias_backward_variants();
Variants<ActivationForward> activation_forward_variants();
Variants<ActivationBackward> activation_backward_variants();
Variants<SoftmaxForward> softmax_forward_variants();
Variants<SoftmaxBackward> softmax_backward_variants();
Variants<BatchNormForward> batch_norm_forward_variants();
Variants<BatchNormInference> batch_norm_inference_variants();
Variants<BatchNormBackward> batch_norm_backward_variants();
Variants<BernoulliForward> bernoulli_forward_variants();
Variants<GaussianLikelihoodForward> gaussian_likelihood_forward_variants();
Variants<GaussianDensityForward> gaussian_density_forward_variants();
Variants<GaussianDensityBackward> gaussian_density_backward_variants();
Variants<ReparameterizeForward> reparameterize_forward_variants();
Variants<ReparameterizeBackward> reparameterize_backward_variants();
Variants<ConcreteForward> concrete_forward_variants();
Variants<ConcreteBackward> concrete_backward_variants();
Variants<ElboDecompositionForward> elbo_decomposition_forward_variants();
Variants<ElboDecompositionBackward> elbo_decomposition_backward_variants();
Variants<SumRows> sum_rows_variants();
Variants<BroadcastRows> broadcast_rows_variants();
Variants<SumColumns> sum_columns_variants();
Variants<BroadcastColumns> broadcast_columns_variants();
Variants<SumOfSquares> sum_of_squares_variants();
Variants<Add> add_variants();
Variants<Multiply> multiply_variants();
Variants<Affine> affine_variants();
Variants<Exp> exp_variants();
Variants<ScaleRows> scale_rows_variants();
Variants<Fill> fill_variants();
Variants<CopyColumns> copy_columns_variants();
Variants<Adam> adam_variants();

// Calls f(name, member of KernelTable, variants) for every kernel.
template <class F>
void for_each_kernel(F&& f) {
  using T = KernelTable;
  f("linear_forward", &T::linear_forward, linear_forward_variants());
  f("linear_backward_data", &T::linear_backward_data, linear_backward_data_variants());
  f("linear_backward_weight", &T::linear_backward_weight, linear_backward_weight_variants());
  f("conv2d_forward", &T::conv2d_forward, conv2d_forward_variants());
  f("conv2d_backward_data", &T::conv2d_backward_data, conv2d_backward_data_variants());
  f("conv2d_backward_weight", &T::conv2d_backward_weight, conv2d_backward_weight_variants());
  f("bias_backward", &T::bias_backward, bias_backward_variants());
  f("activation_forward", &T::activation_forward, activation_forward_variants());
  f("activation_backward", &T::activation_backward, activation_backward_variants());
  f("softmax_forward", &T::softmax_forward, softmax_forward_variants());
  f("softmax_backward", &T::softmax_backward, softmax_backward_variants());
  f("batch_norm_forward", &T::batch_norm_forward, batch_norm_forward_variants());
  f("batch_norm_inference", &T::batch_norm_inference, batch_norm_inference_variants());
  f("batch_norm_backward", &T::batch_norm_backward, batch_norm_backward_variants());
  f("bernoulli_forward", &T::bernoulli_forward, bernoulli_forward_variants());
  f("gaussian_likelihood_forward", &T::gaussian_likelihood_forward, gaussian_likelihood_forward_variants());
  f("gaussian_density_forward", &T::gaussian_density_forward, gaussian_density_forward_variants());
  f("gaussian_density_backward", &T::gaussian_density_backward, gaussian_density_backward_variants());
  f("reparameterize_forward", &T::reparameterize_forward, reparameterize_forward_variants());
  f("reparameterize_backward", &T::reparameterize_backward, reparameterize_backward_variants());
  f("concrete_forward", &T::concrete_forward, concrete_forward_variants());
  f("concrete_backward", &T::concrete_backward, concrete_backward_variants());
  f("elbo_decomposition_forward", &T::elbo_decomposition_forward, elbo_decomposition_forward_variants());
  f("elbo_decomposition_backward", &T::elbo_decomposition_backward, elbo_decomposition_backward_variants());
  f("sum_rows", &T::sum_rows, sum_rows_variants());
  f("broadcast_rows", &T::broadcast_rows, broadcast_rows_variants());
  f("sum_columns", &T::sum_columns, sum_columns_variants());
  f("broadcast_columns", &T::broadcast_columns, broadcast_columns_variants());
  f("sum_of_squares", &T::sum_of_squares, sum_of_squares_variants());
  f("add", &T::add, add_variants());
  f("multiply", &T::multiply, multiply_variants());
  f("affine", &T::affine, affine_variants());
  f("exp", &T::exp, exp_variants());
  f("scale_rows", &T::scale_rows, scale_rows_variants());
  f("fill", &T::fill, fill_variants());
  f("copy_columns", &T::copy_columns, copy_columns_variants());
  f("adam", &T::adam, adam_variants());
}

}  // namespace cuelbo::kernels::cuda
