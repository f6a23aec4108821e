// All kernels of a device. The CPU has one table per instruction set; a loaded device module exports one.
#pragma once

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

namespace cuelbo::kernels {

struct KernelTable {
  Kernel<LinearForward> linear_forward;
  Kernel<LinearBackwardData> linear_backward_data;
  Kernel<LinearBackwardWeight> linear_backward_weight;

  Kernel<Conv2dForward> conv2d_forward;
  Kernel<Conv2dBackwardData> conv2d_backward_data;
  Kernel<Conv2dBackwardWeight> conv2d_backward_weight;
  Kernel<BiasBackward> bias_backward;

  Kernel<ActivationForward> activation_forward;
  Kernel<ActivationBackward> activation_backward;
  Kernel<SoftmaxForward> softmax_forward;
  Kernel<SoftmaxBackward> softmax_backward;
  Kernel<BatchNormForward> batch_norm_forward;
  Kernel<BatchNormInference> batch_norm_inference;
  Kernel<BatchNormBackward> batch_norm_backward;

  Kernel<BernoulliForward> bernoulli_forward;
  Kernel<GaussianLikelihoodForward> gaussian_likelihood_forward;
  Kernel<GaussianDensityForward> gaussian_density_forward;
  Kernel<GaussianDensityBackward> gaussian_density_backward;

  Kernel<ReparameterizeForward> reparameterize_forward;
  Kernel<ReparameterizeBackward> reparameterize_backward;
  Kernel<ConcreteForward> concrete_forward;
  Kernel<ConcreteBackward> concrete_backward;
  Kernel<ElboDecompositionForward> elbo_decomposition_forward;
  Kernel<ElboDecompositionBackward> elbo_decomposition_backward;

  Kernel<SumRows> sum_rows;
  Kernel<BroadcastRows> broadcast_rows;
  Kernel<SumColumns> sum_columns;
  Kernel<BroadcastColumns> broadcast_columns;
  Kernel<SumOfSquares> sum_of_squares;
  Kernel<Add> add;
  Kernel<Multiply> multiply;
  Kernel<Affine> affine;
  Kernel<Exp> exp;
  Kernel<ScaleRows> scale_rows;
  Kernel<Fill> fill;
  Kernel<CopyColumns> copy_columns;

  Kernel<Adam> adam;
};

}  // namespace cuelbo::kernels
