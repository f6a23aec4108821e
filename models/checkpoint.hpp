// A checkpoint: one safetensors file with all parameters, states and moments, and in its metadata the state of training.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/io/safetensors.hpp"
#include "engine/parameters.hpp"
#include "models/fingerprint.hpp"
#include "models/hfvae.hpp"

namespace cuelbo {

// Batches and noise are functions of the step, so the step is the whole state.
struct TrainingState {
  std::int64_t step = 0;  // updates done
  double best_validation_elbo = 0;
  bool has_validation = false;
};

struct CheckpointInfo {
  TrainingState state;
  ImageShape image;
  std::string arithmetic;  // the kernels' instruction set: the same one gives the same bits
  Fingerprint fingerprint = {};
};

// Tensors have the parameters' names, moments with the prefixes "adam.first." and "adam.second."; metadata: format,
// version, step, best_validation_elbo (absent before the first validation), image, arithmetic, crc32 of the tensors,
// config, data_items, data_stored and data_checksum (the fingerprint; absent in old checkpoints).
// Error: a value is NaN or Inf (nothing is written), or the file cannot be written.
void write_checkpoint(const std::string& path, ParameterSet& parameters, const CheckpointInfo& info);

struct Checkpoint {
  CheckpointInfo info;
  Safetensors content;
};
// Error: truncated, damaged, not a checkpoint, or of another version; "'path': …".
Checkpoint read_checkpoint(const std::string& path);

// Sets the parameters. Error: a tensor is missing, has another shape, or belongs to no parameter; messages call the
// owner of the parameters `model`.
void restore(ParameterSet& parameters, const Safetensors& content, bool with_moments,
             const char* model = "the model of config.toml");

// ---- metadata of both checkpoints and exported models
// CRC-32s as 8 hexadecimal digits: of the bytes of all tensors in the order of their names; and of all other keys and
// values in the order of the keys, with a zero byte after each.
std::string tensor_checksum(const std::map<std::string, Array>& tensors);
std::string weights_checksum(ParameterSet& parameters);  // as tensor_checksum: of the values, without moments
std::string metadata_checksum(const std::map<std::string, std::string>& metadata);
inline constexpr const char* metadata_checksum_key = "metadata_crc32";
Dtype parse_pixel_type(const std::string& name);  // of the data set's pixels in their file. Error: not a type

}  // namespace cuelbo
