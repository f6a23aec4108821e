// The functions that g++ -fsanitize=integer-divide-by-zero,shift-exponent,float-cast-overflow calls in place of operations
// without a defined result. Kernels end with a finding.
#include <bit>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include "kernels/runtime/simt/faults.hpp"

namespace cuelbo::simt::checked {

namespace {

// What the compiler stores of the operation; its layout is the compiler's.
struct Type {
  std::uint16_t kind, info;
  char name[1];  // quoted; more follow

  bool is_integer() const { return kind == 0; }
  bool is_signed() const { return (info & 1) != 0; }
  unsigned bits() const { return is_integer() ? 1U << (info >> 1) : info; }
};
struct Operation {
  const char* file;
  std::uint32_t line, column;
  const Type *first, *second;  // of operands; of a conversion: from, to. A division has only the first.
};
// A value of up to 64 bits, or the address of a larger one.
using Value = std::uintptr_t;

[[noreturn]] void end_with(const Operation& operation, std::string what) {
  if (BlockRunner* const runner = BlockRunner::of_running_kernel())
    runner->fail({operation.file, static_cast<int>(operation.line)}, std::move(what));
  std::raise(SIGFPE);  // host code
  std::abort();
}

std::string integer_text(const Type& type, Value value) {
  if (type.bits() > 64) return "a large number";
  const unsigned unused = 64 - type.bits();
  return type.is_signed() ? std::to_string(static_cast<std::int64_t>(value << unused) >> unused)
                          : std::to_string(value << unused >> unused);
}

double real(const Type& type, Value value) {
  return type.bits() == 64 ? std::bit_cast<double>(value)
                           : std::bit_cast<float>(static_cast<std::uint32_t>(value));
}

template <class Integer>
Integer saturated(double x) {
  constexpr auto least = std::numeric_limits<Integer>::min(), most = std::numeric_limits<Integer>::max();
  if (x <= static_cast<double>(least)) return least;
  return x >= static_cast<double>(most) ? most : static_cast<Integer>(x);
}

// PTX converts to 32 or 64 bits, of which a smaller type takes the low ones. There NaN is the highest bit, or 0 if neither
// type has 64 bits.
Value converted_by_gpu(double x, const Type& from, const Type& to) {
  const bool wide = to.bits() == 64;
  if (std::isnan(x)) return !wide && from.bits() == 32 ? 0 : Value{1} << (wide ? 63 : 31);
  if (to.is_signed())
    return static_cast<Value>(wide ? saturated<std::int64_t>(x) : saturated<std::int32_t>(x));
  return wide ? saturated<std::uint64_t>(x) : saturated<std::uint32_t>(x);
}

std::string text(double x) {
  if (std::isnan(x)) return "NaN";
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.9g", x);
  return digits;
}

}  // namespace

}  // namespace cuelbo::simt::checked

using namespace cuelbo::simt::checked;

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the compiler's
extern "C" {

[[noreturn]] void __ubsan_handle_divrem_overflow_abort(const Operation* division, Value, Value) {
  end_with(*division, cuelbo::simt::divided_by_zero);
}

[[noreturn]] void __ubsan_handle_shift_out_of_bounds_abort(const Operation* shift, Value, Value by) {
  const unsigned bits = shift->first->bits();
  end_with(*shift,
           "shift of a " + std::to_string(bits) + "-bit value by " + integer_text(*shift->second, by) +
               ": undefined in C++, a GPU shifts out all bits; shift by 0 to " + std::to_string(bits - 1));
}

[[noreturn]] void __ubsan_handle_float_cast_overflow_abort(const Operation* conversion, Value value) {
  const Type &from = *conversion->first, &to = *conversion->second;
  if (from.bits() > 64 || to.bits() > 64) end_with(*conversion, "conversion of a number that does not fit");
  const double x = real(from, value);
  end_with(*conversion, text(x) + " does not fit into " + to.name + ": undefined in C++, a GPU gives " +
                            integer_text(to, converted_by_gpu(x, from, to)) + "; clamp it first");
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
