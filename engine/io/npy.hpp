// NumPy's .npy format, versions 1 to 3 (numpy.lib.format): little-endian bool, integers and floats in C
// order. Errors name what is wrong and, where numpy can, how to fix it; the path is in front of every
// message.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/io/array.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

Array read_npy(const std::filesystem::path& path);
void write_npy(const std::filesystem::path& path, const Array& array);

struct NpyHeader {
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
};

// The header of a stream of exactly `stream_bytes` bytes; the source then stands at the first element.
// Error also if the shape does not account for all the bytes that follow.
NpyHeader read_npy_header(const ByteSource& source, std::uint64_t stream_bytes);

// Header and elements.
Array read_npy(const ByteSource& source, std::uint64_t stream_bytes);

// The bytes in front of the elements. Error: bfloat16, which numpy does not have.
std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape);

}  // namespace cuelbo
