// The programs over one model.
#pragma once

#include <optional>

#include "engine/optimizer.hpp"
#include "models/hfvae.hpp"

namespace cuelbo {

// One optimizer step on a batch of a fixed size.
struct TrainingProgram {
  TrainingProgram(Device& device, ParameterSet& parameters, const Hfvae& model, std::int64_t batch_size,
                  std::int64_t dataset_size, Program::Options options = {});
  Program program;
  Tensor images;  // input (B, H, W, C)
  LatentTensors latents;
  Tensor log_likelihood;  // (1), mean over the batch
  ObjectiveTensors objective;
  Tensor loss;  // (1): −log_likelihood + penalty
  std::optional<Adam> optimizer;
};

// Images to codes. constant_parameters: no parameter will change, so what can be prepared of them is prepared now.
struct EncodeProgram {
  EncodeProgram(Device& device, ParameterSet& parameters, const Hfvae& model, std::int64_t batch_size,
                bool constant_parameters = false);
  Program program;
  Tensor images;
  LatentTensors latents;  // kept
};

// Codes to pictures, and to log-likelihoods of given images when asked for.
struct DecodeProgram {
  DecodeProgram(Device& device, ParameterSet& parameters, const Hfvae& model, std::int64_t batch_size,
                bool with_likelihood, bool constant_parameters = false);
  Program program;
  Tensor code;            // input (B, code_size)
  Tensor images;          // input, when with_likelihood
  Tensor picture;         // (B, H, W, C)
  Tensor log_likelihood;  // (B), when with_likelihood
};

}  // namespace cuelbo
