// A model so small that it trains in a moment, with two Gaussian groups and a discrete one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"
#include "tests/tools/program.hpp"

namespace cuelbo::test {

// tiny.toml and images.npy (80 images of 8×8, a bright bar each) in a directory.
void write_tiny_config(const std::filesystem::path& directory);

// Each test has a directory with the two files above; the process works in it.
class TinyTest : public ::testing::Test {
 protected:
  TinyTest() { write_tiny_config(directory_.path()); }

  Outcome run(const std::vector<std::string>& arguments) const {
    return cuelbo(arguments, directory_.path());
  }
  // Trains into `name`; asserts that it went well.
  void train(const std::string& name = "model", const std::vector<std::string>& more = {}) const;
  std::filesystem::path path(const std::string& name) const { return directory_ / name; }
  std::string content(const std::string& name) const;

  TemporaryDirectory directory_;
};

// For EXPECT_TRUE: the code, and one line "cuelbo: …", the last on standard error, that holds `text`.
::testing::AssertionResult fails(const Outcome& outcome, int code, const std::string& text);

// For EXPECT_TRUE: exit code 0 and no line "cuelbo: …" on standard error.
::testing::AssertionResult succeeds(const Outcome& outcome);

}  // namespace cuelbo::test
