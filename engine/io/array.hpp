// A typed array in host memory, row-major, as file formats hold it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/error.hpp"

namespace cuelbo {

enum class Dtype : std::uint8_t { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };

inline constexpr std::size_t dtype_count = 13;

constexpr std::size_t dtype_size(Dtype dtype) {
  constexpr std::array<std::size_t, dtype_count> sizes{1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};
  return sizes[static_cast<std::size_t>(dtype)];
}

constexpr std::string_view dtype_name(Dtype dtype) {
  constexpr std::array<std::string_view, dtype_count> names{
      "bool",   "uint8", "int8",    "uint16",   "int16",   "uint32", "int32",
      "uint64", "int64", "float16", "bfloat16", "float32", "float64"};
  return names[static_cast<std::size_t>(dtype)];
}

// The Dtype of a C++ type.
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return Dtype::boolean;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return Dtype::u8;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return Dtype::i8;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return Dtype::u16;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return Dtype::i16;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return Dtype::u32;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return Dtype::i32;
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return Dtype::u64;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return Dtype::i64;
  else if constexpr (std::is_same_v<T, float>)
    return Dtype::f32;
  else {
    static_assert(std::is_same_v<T, double>, "no Dtype for this type");
    return Dtype::f64;
  }
}

// "(3, 4)"
std::string shape_text(std::span<const std::int64_t> shape);

// Product of the dimensions. Error: a negative dimension, or more bytes than a 63-bit number counts.
std::int64_t element_count(std::span<const std::int64_t> shape, Dtype dtype);

// Error if `bytes` is more than this machine's memory; called before a size that a file declares is believed.
void check_fits_in_memory(std::uint64_t bytes);

// Turns the bytes of every element of `width` bytes around: from big to little endian and back.
void reverse_bytes(std::span<std::byte> data, std::size_t width);

struct Array {
  Dtype dtype = Dtype::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  std::int64_t size() const { return static_cast<std::int64_t>(data.size() / dtype_size(dtype)); }
  std::size_t rank() const { return shape.size(); }

  // The elements. Error if T is not the array's type.
  template <class T>
  std::span<const T> as() const {
    require(dtype_of<T>());
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> as() {
    require(dtype_of<T>());
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }

  // The elements as fp32, rounded to nearest.
  std::vector<float> as_f32() const;

  // The elements of a bool or integer array. Error: a float array, or a value above 2^63 − 1.
  std::vector<std::int64_t> as_i64() const;

  friend bool operator==(const Array&, const Array&) = default;

 private:
  void require(Dtype wanted) const {
    if (dtype != wanted) fail("array is {}, {} is needed", dtype_name(dtype), dtype_name(wanted));
  }
};

// A zeroed array.
Array make_array(Dtype dtype, std::vector<std::int64_t> shape);

// An array with a copy of `values`. Error if the shape does not have as many elements.
template <class T>
Array make_array(std::vector<std::int64_t> shape, std::span<const T> values) {
  const auto count = element_count(shape, dtype_of<T>());
  if (count != static_cast<std::int64_t>(values.size()))
    fail("{} values do not fill an array of shape {}", values.size(), shape_text(shape));
  Array array{dtype_of<T>(), std::move(shape), {}};
  const auto bytes = std::as_bytes(values);
  array.data.assign(bytes.begin(), bytes.end());
  return array;
}

template <class T>
Array make_array(std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return make_array(std::move(shape), std::span<const T>(values));
}

}  // namespace cuelbo
