// An exported model: one safetensors file with the model, and nothing else of the run that it comes from.
#pragma once

#include <filesystem>
#include <string>

#include "models/run_directory.hpp"

namespace cuelbo {

// Tensors have the parameters' names. Metadata: format "cuelbo", format_version, model (TOML: precision, encoder, decoder,
// latents, how pixels are scaled and binarized, the seed of dynamic binarization), image "height width channels", stored
// (type of the pixels that the scale is for), step, version of the program, crc32 of the tensors. docs/model_file.md tells it
// to programs that read such files.
// Error: a value is NaN or Inf (nothing is written), or the file cannot be written.
void write_model_file(const std::filesystem::path& path, const LoadedModel& loaded);

// Its configuration (loaded.model->config()) has defaults for all that the file does not say. Version 1, which holds the
// configuration of the whole run, is read too. Error: another file, such as a checkpoint; damaged; of a newer version.
LoadedModel load_model_file(const std::filesystem::path& path, const DeviceOptions& options);

}  // namespace cuelbo
