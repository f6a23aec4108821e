// The operations a model is written with. Each records its launches and its gradient; shapes are checked when recorded,
// with an Error that names the operation and the shapes.
#pragma once

#include <string>
#include <vector>

#include "engine/program.hpp"

namespace cuelbo {

using kernels::Activation;

// ---- layers
// activation(x · weightᵀ + bias): x (rows, in), weight (out, in), bias (out) or absent → (rows, out)
Tensor linear(Tensor x, Tensor weight, Tensor bias, Activation activation = Activation::identity);

struct Conv2dGeometry {
  std::int64_t kernel = 1, stride = 1, padding = 0;
};
// x (B, H, W, Cin), weight (Cout, kernel, kernel, Cin), bias (Cout) or absent → (B, H', W', Cout),
// H' = (H + 2·padding − kernel) / stride + 1
Tensor conv2d(Tensor x, Tensor weight, Tensor bias, Conv2dGeometry geometry,
              Activation activation = Activation::identity);
// x (B, H, W, Cin), weight (Cin, kernel, kernel, Cout), bias (Cout) or absent → (B, H', W', Cout),
// H' = (H − 1)·stride − 2·padding + kernel + output_padding, output_padding < stride
Tensor conv2d_transpose(Tensor x, Tensor weight, Tensor bias, Conv2dGeometry geometry,
                        std::int64_t output_padding = 0, Activation activation = Activation::identity);

Tensor activate(Tensor x, Activation activation);
Tensor softmax(Tensor logits);      // over the last axis
Tensor log_softmax(Tensor logits);  // over the last axis

struct BatchNormParameters {
  Tensor scale, shift, running_mean, running_variance;  // (channels) each
};
// Over all axes but the last. Training normalises by the batch (at least 2 rows) and updates the running estimates.
Tensor batch_norm(Tensor x, const BatchNormParameters& parameters, bool training,
                  Activation activation = Activation::identity);

// ---- likelihoods: (B, …) and a target of the same shape → log-likelihood in nats (B)
Tensor bernoulli_log_likelihood(Tensor logits, Tensor target);
Tensor gaussian_log_likelihood(Tensor mean, Tensor target, float deviation);

// ---- latents
Tensor reparameterize(Tensor mean, Tensor logvar);  // (B, D), (B, D) → z (B, D)
Tensor concrete(Tensor logits, float temperature);  // (B, K) → relaxed one-hot (B, K)
// log N(z; mean, exp(logvar)) element by element; absent mean and logvar: the standard normal.
Tensor gaussian_log_density(Tensor z, Tensor mean = {}, Tensor logvar = {});

// log q̂ of every block (kernels/elbo_decomposition/elbo_decomposition.hpp) → (rows, blocks)
struct MixtureWeights {
  double own = 0, next = 0, other = 0;
};
struct ElboDecompositionInputs {
  Tensor z;                  // (rows, D)
  Tensor mean, logvar;       // (columns, D)
  Tensor row_probabilities;  // (rows, Σ classes), absent when there is no discrete group
  Tensor probabilities;      // (columns, Σ classes), likewise
  Tensor own;                // (rows), int32 column indices; absent: row b is column b
};
Tensor elbo_decomposition(const ElboDecompositionInputs& inputs, std::vector<kernels::DensityBlock> blocks,
                          const std::vector<std::int32_t>& classes, MixtureWeights weights);

// ---- arithmetic
Tensor add(Tensor a, Tensor b);                       // same size
Tensor multiply(Tensor a, Tensor b);                  // same size
Tensor affine(Tensor x, float factor, float offset);  // factor · x + offset
Tensor exp(Tensor x);
Tensor sum_rows(Tensor x, float factor = 1);     // (rows, columns) → (columns), times factor
Tensor sum_columns(Tensor x, float factor = 1);  // (rows, columns) → (rows), times factor
Tensor sum(Tensor x, float factor = 1);          // all elements → (1)
Tensor mean_rows(Tensor x);                      // sum_rows / rows

// ---- layout
Tensor reshape(Tensor x, Shape shape);  // no copy
Tensor transpose(Tensor x);             // (…, rows, columns) → (…, columns, rows)
Tensor slice_columns(Tensor x, std::int64_t begin, std::int64_t count);
Tensor concat_columns(const std::vector<Tensor>& parts);  // (rows, c_i) → (rows, Σ c_i)
Tensor stop_gradient(Tensor x);                           // no copy

// ---- without a gradient of their own: for backward passes
Tensor fill(Program& program, const Shape& shape, float value);
void fill_into(Tensor y, float value);
void copy_into(Tensor x, Tensor y);  // same size
Tensor activation_backward(Tensor y, Tensor dy, Activation activation);

}  // namespace cuelbo
