// Errors of the library. A message is one line: what is wrong, where, what would be right.
#pragma once

#include <concepts>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace cuelbo {

// Text for a message: control characters, which names read from a file may hold, become \xNN.
inline std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

class Error : public std::runtime_error {
 public:
  explicit Error(std::string_view message) : std::runtime_error(one_line(message)) {}
};

// Wrong use of a command, a config or an interface, as opposed to a failure of a valid request.
class UsageError : public Error {
 public:
  using Error::Error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void usage_fail(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

// Runs f; an error that leaves it carries "context: " in front of its message and keeps its type.
template <std::invocable F>
decltype(auto) in_context(std::string_view context, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", context, error.what()));
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", context, error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(fmt::format("{}: not enough memory", context));
  }
}

}  // namespace cuelbo
