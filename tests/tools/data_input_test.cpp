// Data files as a user gives them to commands: pipes, notes about what was read.
#include <gtest/gtest.h>

#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "tests/support/console_page.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo {
namespace {

using test::succeeds;

class DataInput : public test::TinyTest {
 protected:
  bool shell(const std::string& command) const {
    const auto result = test::run_in_shell("sh -c '" + command + "'", path("."), path("."));
    EXPECT_TRUE(result.succeeded) << command << ": " << result.output;
    return result.succeeded;
  }
};

TEST_F(DataInput, APipeGivesWhatTheFileGives) {
  train();
  ASSERT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"})));
  ASSERT_TRUE(shell("cat images.npy | cuelbo encode model -i - -o piped.npz"));
  EXPECT_EQ(read_npz(path("piped.npz")), read_npz(path("codes.npz")));
  ASSERT_TRUE(shell("cuelbo encode model -i - -o redirected.npz < images.npy"));
  EXPECT_EQ(read_npz(path("redirected.npz")), read_npz(path("codes.npz")));
  ASSERT_TRUE(succeeds(run({"decode", "model", "-i", "codes.npz", "-o", "decoded.npy"})));
  ASSERT_TRUE(shell("cat codes.npz | cuelbo decode model -i - -o piped.npy"));
  EXPECT_EQ(read_npy(path("piped.npy")), read_npy(path("decoded.npy")));
  ASSERT_TRUE(shell("cat codes.npz | cuelbo objective -i - --groups 0-1,2-4,kind --dataset-size 80"));
}

TEST_F(DataInput, WhatWasChosenAndIgnoredIsNotedOnStandardError) {
  train();
  const Array images = read_npy(path("images.npy"));
  write_npz(path("named.npz"), {{"x_train", images}, {"weights", make_array(Dtype::f32, {80})}});
  const auto outcome = run({"encode", "model", "-i", "named.npz", "-o", "codes.npz"});
  EXPECT_TRUE(succeeds(outcome));
  EXPECT_NE(outcome.err.find("note: reads 'x_train'; ignores 'weights' float32 (80,)"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(outcome.out.find("ignores"), std::string::npos);
  const auto quiet = run({"-q", "encode", "model", "-i", "named.npz", "-o", "codes.npz"});
  EXPECT_TRUE(succeeds(quiet));
  EXPECT_EQ(quiet.err, "");
}

}  // namespace
}  // namespace cuelbo
