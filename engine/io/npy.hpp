// NumPy's .npy format, versions 1 to 3 (numpy.lib.format): bool, integers and floats in either byte order, in C
// or Fortran order. An Array is always in C order and the machine's byte order. Errors name what is wrong and, where
// numpy can, how to fix it; the path is in front of every message.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/io/array.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {

// The path may be a pipe or standard input, "-".
Array read_npy(const std::filesystem::path& path);
void write_npy(const std::filesystem::path& path, const Array& array);

struct NpyHeader {
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
  // The order of the elements; false where the order makes no difference.
  bool fortran_order = false, big_endian = false;
};

// The header of a stream of exactly `stream_bytes` bytes, or of unknown length; leaves the source at the first element.
// Error also if the shape does not account for all the bytes that follow.
NpyHeader read_npy_header(const ByteSource& source, std::optional<std::uint64_t> stream_bytes);

// Header and elements; nothing may follow them.
Array read_npy(const ByteSource& source, std::optional<std::uint64_t> stream_bytes);

// A list of texts as numpy stores it, fixed-width Unicode ("<U7"), header included; numpy reads it without pickle.
std::string npy_text(std::span<const std::string> texts);

// Whether a stream begins like a list of texts, whatever follows. False for other arrays and other bytes.
bool starts_like_npy_text(const ByteSource& source);

// The texts of a one-dimensional Unicode or byte string array, as UTF-8. Error: anything else.
std::vector<std::string> read_npy_text(const ByteSource& source, std::optional<std::uint64_t> stream_bytes);

// The bytes in front of the elements. Error: bfloat16, which numpy does not have.
std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape);

}  // namespace cuelbo
