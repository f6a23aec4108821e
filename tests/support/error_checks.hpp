// Checks of errors: the right type, and one line that names the cause.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace cuelbo::test {

// For EXPECT_TRUE: f throws E itself or derived, its message is one line and holds `text`.
template <class E = Error, class F>
::testing::AssertionResult fails_with(F&& f, std::string_view text) {
  try {
    f();
  } catch (const E& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != std::string_view::npos)
      return ::testing::AssertionFailure() << "not one line: " << message;
    if (message.find(text) == std::string_view::npos)
      return ::testing::AssertionFailure() << "\"" << text << "\" is not in the message: " << message;
    return ::testing::AssertionSuccess() << message;
  } catch (const std::exception& error) {
    return ::testing::AssertionFailure() << "another exception: " << error.what();
  }
  return ::testing::AssertionFailure() << "no error";
}

}  // namespace cuelbo::test
