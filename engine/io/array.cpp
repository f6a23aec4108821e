#include "engine/io/array.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <unistd.h>

namespace cuelbo {
namespace {

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

float bfloat_to_float(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

template <class From, class To, class Convert>
std::vector<To> converted(const std::vector<std::byte>& data, Convert convert) {
  std::vector<To> values(data.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, data.data() + i * sizeof(From), sizeof(From));
    values[i] = convert(value);
  }
  return values;
}

template <class From>
std::vector<float> to_floats(const std::vector<std::byte>& data) {
  return converted<From, float>(data, [](From value) { return static_cast<float>(value); });
}

template <class From>
std::vector<std::int64_t> to_integers(const std::vector<std::byte>& data) {
  return converted<From, std::int64_t>(data, [](From value) {
    if constexpr (std::is_same_v<From, std::uint64_t>) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail("the value {} does not fit a signed 64-bit integer", value);
    }
    return static_cast<std::int64_t>(value);
  });
}

}  // namespace

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("({}{})", fmt::join(shape.begin(), shape.end(), ", "), shape.size() == 1 ? "," : "");
}

std::int64_t element_count(std::span<const std::int64_t> shape, Dtype dtype) {
  std::int64_t bytes = static_cast<std::int64_t>(dtype_size(dtype));
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) fail("shape {} has a negative dimension", shape_text(shape));
    empty |= extent == 0;
    if (extent != 0 && __builtin_mul_overflow(bytes, extent, &bytes))
      fail("shape {} of {} is too large for any file", shape_text(shape), dtype_name(dtype));
  }
  return empty ? 0 : bytes / static_cast<std::int64_t>(dtype_size(dtype));
}

void check_fits_in_memory(std::uint64_t bytes) {
  const auto memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
  if (bytes > memory)
    fail("needs {:.1f} GiB, this machine has {:.1f} GiB of memory", static_cast<double>(bytes) / (1 << 30),
         static_cast<double>(memory) / (1 << 30));
}

void reverse_bytes(std::span<std::byte> data, std::size_t width) {
  for (std::size_t i = 0; i + width <= data.size(); i += width)
    std::reverse(data.begin() + static_cast<std::ptrdiff_t>(i),
                 data.begin() + static_cast<std::ptrdiff_t>(i + width));
}

std::vector<float> Array::as_f32() const {
  switch (dtype) {
    case Dtype::boolean:
      return converted<std::uint8_t, float>(data, [](std::uint8_t b) { return b != 0 ? 1.0F : 0.0F; });
    case Dtype::u8: return to_floats<std::uint8_t>(data);
    case Dtype::i8: return to_floats<std::int8_t>(data);
    case Dtype::u16: return to_floats<std::uint16_t>(data);
    case Dtype::i16: return to_floats<std::int16_t>(data);
    case Dtype::u32: return to_floats<std::uint32_t>(data);
    case Dtype::i32: return to_floats<std::int32_t>(data);
    case Dtype::u64: return to_floats<std::uint64_t>(data);
    case Dtype::i64: return to_floats<std::int64_t>(data);
    case Dtype::f16: return converted<std::uint16_t, float>(data, half_to_float);
    case Dtype::bf16: return converted<std::uint16_t, float>(data, bfloat_to_float);
    case Dtype::f32: return to_floats<float>(data);
    case Dtype::f64: return to_floats<double>(data);
  }
  fail("unknown dtype {}", static_cast<int>(dtype));
}

std::vector<std::int64_t> Array::as_i64() const {
  switch (dtype) {
    case Dtype::boolean:
      return converted<std::uint8_t, std::int64_t>(data, [](std::uint8_t b) { return std::int64_t{b != 0}; });
    case Dtype::u8: return to_integers<std::uint8_t>(data);
    case Dtype::i8: return to_integers<std::int8_t>(data);
    case Dtype::u16: return to_integers<std::uint16_t>(data);
    case Dtype::i16: return to_integers<std::int16_t>(data);
    case Dtype::u32: return to_integers<std::uint32_t>(data);
    case Dtype::i32: return to_integers<std::int32_t>(data);
    case Dtype::u64: return to_integers<std::uint64_t>(data);
    case Dtype::i64: return to_integers<std::int64_t>(data);
    default: fail("array is {}, integers are needed", dtype_name(dtype));
  }
}

Array make_array(Dtype dtype, std::vector<std::int64_t> shape) {
  const std::int64_t count = element_count(shape, dtype);
  return {dtype, std::move(shape),
          std::vector<std::byte>(static_cast<std::size_t>(count) * dtype_size(dtype))};
}

}  // namespace cuelbo
