#include "tools/lab/source/number.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "engine/error.hpp"

namespace cuelbo::lab {

namespace {

enum class Parsed : std::uint8_t { whole_text, out_of_range, not_understood };

template <class T, class... Base>
Parsed parse(std::string_view text, T& value, Base... base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return Parsed::not_understood;
  return error == std::errc() ? Parsed::whole_text : Parsed::out_of_range;
}

template <class T>
[[noreturn]] void outside(std::string_view text, std::string_view name) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>)
    fail("{} is outside the range of {}, {:.6g} to {:.6g}", text, name, Limits::lowest(), Limits::max());
  else
    fail("{} is outside the range of {}, {} to {}", text, name, +Limits::min(), +Limits::max());
}

template <class T>
T parse_integer(std::string_view text, std::string_view name) {
  using Limits = std::numeric_limits<T>;
  const bool negative = text.starts_with('-');
  std::string_view digits = text.substr(negative ? 1 : 0);
  const bool hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
  if (hexadecimal) digits.remove_prefix(2);
  // The magnitude, which has room for that of every type.
  std::uint64_t magnitude = 0;
  if (!digits.starts_with('-')) {
    const Parsed parsed = parse(digits, magnitude, hexadecimal ? 16 : 10);
    const auto most = static_cast<std::uint64_t>(Limits::max());
    const std::uint64_t allowed = !negative ? most : std::is_signed_v<T> ? most + 1 : 0;
    if (parsed == Parsed::out_of_range || (parsed == Parsed::whole_text && magnitude > allowed))
      outside<T>(text, name);
    if (parsed == Parsed::whole_text) return static_cast<T>(negative ? 0 - magnitude : magnitude);
  }
  // 1e6, 2.0
  double number = 0;
  const Parsed parsed = parse(text, number);
  if (parsed == Parsed::not_understood || std::isnan(number)) fail("'{}' is not a number", text);
  if (parsed == Parsed::whole_text && std::isfinite(number) && number != std::floor(number))
    fail("{} is not a whole number; {} holds {} to {}", text, name, +Limits::min(), +Limits::max());
  // Beyond these the double may stand for another number than the text.
  constexpr double exact = 0x1p53;
  if (parsed == Parsed::whole_text && std::abs(number) < exact) {
    if (number < static_cast<double>(Limits::min()) || number > static_cast<double>(Limits::max()))
      outside<T>(text, name);
    return static_cast<T>(number);
  }
  if (parsed == Parsed::whole_text && number >= static_cast<double>(Limits::min()) &&
      number < static_cast<double>(Limits::max()))
    fail("{} is too large to be written like that; write all of its digits", text);
  outside<T>(text, name);
}

template <class T>
T parse_float(std::string_view text, std::string_view name) {
  const bool negative = text.starts_with('-');
  const std::string_view magnitude = text.substr(negative ? 1 : 0);
  const bool hexadecimal = magnitude.starts_with("0x") || magnitude.starts_with("0X");
  T value{};
  Parsed parsed =
      hexadecimal ? parse(magnitude.substr(2), value, std::chars_format::hex) : parse(text, value);
  if (hexadecimal && magnitude.substr(2).starts_with('-')) parsed = Parsed::not_understood;
  if (hexadecimal && negative) value = -value;
  if (parsed == Parsed::not_understood) fail("'{}' is not a number", text);
  if (parsed == Parsed::out_of_range) {
    const std::size_t exponent = text.find_first_of("eE");
    if (exponent != std::string_view::npos && text.substr(exponent + 1).starts_with('-'))
      fail("{} would become 0 in {}, whose least number above 0 is {:.6g}", text, name,
           std::numeric_limits<T>::denorm_min());
    outside<T>(text, name);
  }
  if (!std::isfinite(value)) fail("'{}' is not a number; NaN and infinity are not taken", text);
  return value;
}

template <class T>
Number number_of(T value, std::string code) {
  Number number{.bytes = std::vector<std::byte>(sizeof value), .code = std::move(code)};
  std::memcpy(number.bytes.data(), &value, sizeof value);
  return number;
}

template <class T>
Number integer(std::string_view text, std::string_view name, const char* cpp) {
  const T value = parse_integer<T>(text, name);
  if constexpr (std::is_signed_v<T>) {
    // C++ has no negative literals.
    if (value == std::numeric_limits<T>::min())
      return number_of(value, fmt::format("static_cast<{}>({}LL - 1)", cpp, value + 1));
    return number_of(value, fmt::format("static_cast<{}>({}LL)", cpp, value));
  } else {
    return number_of(value, fmt::format("static_cast<{}>({}ULL)", cpp, value));
  }
}

template <class T>
Number floating(std::string_view text, std::string_view name, const char* suffix) {
  const T value = parse_float<T>(text, name);
  return number_of(value, fmt::format("{:#}{}", value, suffix));
}

}  // namespace

Number parse_number(std::string_view text, Dtype type, std::string_view name) {
  switch (type) {
    case Dtype::i8: return integer<std::int8_t>(text, name, "signed char");
    case Dtype::u8: return integer<std::uint8_t>(text, name, "unsigned char");
    case Dtype::i16: return integer<std::int16_t>(text, name, "short");
    case Dtype::u16: return integer<std::uint16_t>(text, name, "unsigned short");
    case Dtype::i32: return integer<std::int32_t>(text, name, "int");
    case Dtype::u32: return integer<std::uint32_t>(text, name, "unsigned");
    case Dtype::i64: return integer<std::int64_t>(text, name, "long long");
    case Dtype::u64: return integer<std::uint64_t>(text, name, "unsigned long long");
    case Dtype::f32: return floating<float>(text, name, "F");
    case Dtype::f64: return floating<double>(text, name, "");
    default: fail("there are no numbers of type {}", dtype_name(type));
  }
}

std::int64_t parse_count(std::string_view text) {
  const auto count = parse_integer<std::int64_t>(text, "a count");
  if (count < 1) fail("{} elements; there must be at least 1", count);
  return count;
}

std::uint64_t largest_index(Dtype type) {
  switch (type) {
    case Dtype::i8: return std::numeric_limits<std::int8_t>::max();
    case Dtype::u8: return std::numeric_limits<std::uint8_t>::max();
    case Dtype::i16: return std::numeric_limits<std::int16_t>::max();
    case Dtype::u16: return std::numeric_limits<std::uint16_t>::max();
    case Dtype::i32: return std::numeric_limits<std::int32_t>::max();
    case Dtype::u32: return std::numeric_limits<std::uint32_t>::max();
    case Dtype::f32: return std::uint64_t{1} << 24;
    default: return std::uint64_t{1} << 53;  // indices are drawn as doubles
  }
}

}  // namespace cuelbo::lab
