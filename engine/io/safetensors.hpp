// The safetensors format (huggingface/safetensors): little-endian header length, JSON header, packed tensors.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/io/array.hpp"

namespace cuelbo {

struct Safetensors {
  std::map<std::string, Array> tensors;
  std::map<std::string, std::string> metadata;

  // Error for a name that is not there, with the nearest one that is.
  const Array& tensor(const std::string& name) const;
};

// A tensor to be written, in memory of the caller.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

// Errors: truncated, a header above 16 MiB or no JSON, one name twice, an unknown dtype, tensors that overlap,
// leave holes, do not match their shape or end beyond the file; "'path': …".
Safetensors read_safetensors(const std::filesystem::path& path);

// Widest types first, then by name: every tensor is aligned, and equal content gives equal files.
// Errors: two tensors of one name, data that does not match its shape.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorView> tensors,
                       const std::map<std::string, std::string>& metadata = {});
void write_safetensors(const std::filesystem::path& path, const Safetensors& content);

}  // namespace cuelbo
