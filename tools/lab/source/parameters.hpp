// How the module of a user's file checks and passes the values of --args to the parameters of its kernel.
#pragma once

#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

namespace cuelbo::lab {

// Whether T has this value. A long double represents all values of the types of --args exactly. Any number is a bool: it
// is true unless it is 0.
template <class T>
constexpr bool holds(long double value) {
  using Limits = std::numeric_limits<T>;
  return std::same_as<T, bool> || (value >= Limits::lowest() && value <= Limits::max() &&
                                   static_cast<long double>(static_cast<T>(value)) == value);
}

// Convertible to every arithmetic type. Parameters whose type is deduced and those of class type do not convert.
struct AnyNumber {
  template <class T>
    requires std::is_arithmetic_v<T>
  operator T() const;
};

// Convertible to the arithmetic types that hold the value.
template <auto value>
struct ExactNumber {
  template <class T>
    requires(std::is_arithmetic_v<T> && holds<T>(value))
  operator T() const;
};

// Types of which another has the same values in C++: int64_t is long on Linux and not long long, char is neither signed
// char nor unsigned char, and a bool is a byte.
template <class T>
concept HasTwins = std::integral<T> && (sizeof(T) == 8 || sizeof(T) == 1);
template <class T, class Element>
concept TwinOf = HasTwins<T> && sizeof(T) == sizeof(Element) &&
                 (std::is_same_v<T, char> || std::is_signed_v<T> == std::is_signed_v<Element>);

// An array of integers as a pointer to one of the other types.
template <HasTwins Element>
struct IntegerArray {
  Element* elements;
  template <TwinOf<Element> T>
  [[gnu::no_sanitize_thread]] operator T*() const {  // not an access of the kernel
    return reinterpret_cast<T*>(elements);
  }
};

template <bool as_any_integer, class Element>
auto array_argument(Element* elements) {
  if constexpr (as_any_integer && HasTwins<Element>)
    return IntegerArray<Element>{elements};
  else
    return elements;
}
template <bool as_any_integer, class Element>
using ArrayArgument = decltype(array_argument<as_any_integer>(std::declval<Element*>()));

}  // namespace cuelbo::lab
