// Files and pipes as input: "-", named pipes, and what is refused.
#include "engine/io/input_file.hpp"

#include <cstring>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/idx.hpp"
#include "engine/io/image.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::fixture;

// A named pipe into which a thread writes a text in small pieces.
class WrittenPipe {
 public:
  WrittenPipe(std::filesystem::path path, std::string text) : path_(std::move(path)) {
    mkfifo(path_.c_str(), 0600);
    writer_ = std::thread([this, text = std::move(text)] {
      const int out = open(path_.c_str(), O_WRONLY);
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t count = write(out, text.data() + done, std::min<std::size_t>(777, text.size() - done));
        if (count <= 0) break;
        done += static_cast<std::size_t>(count);
      }
      close(out);
    });
  }
  ~WrittenPipe() {
    writer_.join();
    std::filesystem::remove(path_);
  }
  WrittenPipe(const WrittenPipe&) = delete;
  WrittenPipe& operator=(const WrittenPipe&) = delete;

 private:
  std::filesystem::path path_;
  std::thread writer_;
};

std::string text_of(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(InputFile, PipesGiveWhatTheFileGives) {
  const test::TemporaryDirectory directory;
  const auto pipe = directory / "pipe";
  const auto through_pipe = [&](const char* name, auto read) {
    const WrittenPipe written(pipe, text_of(fixture(name)));
    return read(pipe) == read(fixture(name));
  };
  const auto npy = [](const std::filesystem::path& path) { return read_npy(path); };
  const auto npz = [](const std::filesystem::path& path) { return read_npz(path); };
  const auto picture = [](const std::filesystem::path& path) { return read_image(path); };
  EXPECT_TRUE(through_pipe("f8.npy", npy));
  EXPECT_TRUE(through_pipe("fortran.npy", npy));
  EXPECT_TRUE(through_pipe("stored.npz", npz));
  EXPECT_TRUE(through_pipe("deflated.npz", npz));
  EXPECT_TRUE(through_pipe("rgb.png", picture));
  EXPECT_TRUE(through_pipe("rgb.jpg", picture));
}

TEST(InputFile, WhatIsWrongInAPipeIsSaid) {
  const test::TemporaryDirectory directory;
  const auto pipe = directory / "pipe";
  const std::string npy = text_of(fixture("f8.npy"));
  const auto refused = [&](const std::string& text, auto read, const char* message) {
    const WrittenPipe written(pipe, text);
    return fails_with([&] { read(pipe); }, message);
  };
  const auto as_npy = [](const std::filesystem::path& path) { read_npy(path); };
  const auto as_npz = [](const std::filesystem::path& path) { read_npz(path); };
  const auto as_picture = [](const std::filesystem::path& path) { read_image(path); };
  EXPECT_TRUE(refused(npy.substr(0, npy.size() - 3), as_npy, "truncated: 3 of the 96 bytes"));
  EXPECT_TRUE(refused(npy + "x", as_npy, "bytes follow the 96"));
  EXPECT_TRUE(refused("", as_npy, "it is empty"));
  EXPECT_TRUE(refused("", as_npz, "is not an npz archive"));
  EXPECT_TRUE(refused("", as_picture, "it is empty"));
  EXPECT_TRUE(refused("some text", as_npz, "is not an npz archive"));
  EXPECT_TRUE(refused("some text, and more", as_picture, "is neither PNG nor JPEG"));
}

TEST(InputFile, FormatsThatNeedAFileRefusePipes) {
  const test::TemporaryDirectory directory;
  const auto pipe = directory / "pipe";
  mkfifo(pipe.c_str(), 0600);
  EXPECT_TRUE(
      fails_with([&] { read_safetensors(pipe); }, "pipe': cannot read: it is a pipe, and a file is needed"));
  EXPECT_TRUE(
      fails_with([&] { read_idx_images(pipe); }, "pipe': cannot read: it is a pipe, and a file is needed"));
  EXPECT_TRUE(fails_with([] { read_npy("/dev/zero"); }, "it is neither a file nor a pipe"));
  EXPECT_TRUE(
      fails_with([] { read_idx_images("-"); }, "standard input: cannot be read: a file is needed here"));
}

// Standard input is a file or a pipe in turn.
TEST(InputFile, ReadsStandardInput) {
  const int saved = dup(STDIN_FILENO);
  const auto with_input = [&](const std::filesystem::path& path, auto read) {
    const int in = open(path.c_str(), O_RDONLY);
    dup2(in, STDIN_FILENO);
    close(in);
    return read("-");
  };
  EXPECT_EQ(with_input(fixture("f4.npy"), [](const char* path) { return read_npy(path); }),
            read_npy(fixture("f4.npy")));
  EXPECT_EQ(with_input(fixture("deflated.npz"), [](const char* path) { return read_npz(path); }),
            read_npz(fixture("deflated.npz")));
  EXPECT_EQ(with_input(fixture("rgb.jpg"), [](const char* path) { return read_image(path); }),
            read_image(fixture("rgb.jpg")));
  EXPECT_TRUE(
      fails_with([&] { with_input(fixture("f4.npy"), [](const char* path) { return read_image(path); }); },
                 "standard input: is neither PNG nor JPEG"));

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  dup2(ends[0], STDIN_FILENO);
  close(ends[0]);
  const std::string text = text_of(fixture("f4.npy"));
  EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  EXPECT_EQ(read_npy("-"), read_npy(fixture("f4.npy")));
  dup2(saved, STDIN_FILENO);
  close(saved);
}

TEST(InputFile, KnowsPathsThatLeadThroughADescriptor) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.npy", "x");
  const int file = open((directory / "a.npy").c_str(), O_RDONLY),
            folder = open(directory.path().c_str(), O_RDONLY);
  ASSERT_GE(file, 0);
  std::filesystem::create_symlink(fmt::format("/dev/fd/{}", file), directory / "link");
  std::filesystem::create_symlink("link", directory / "second");
  std::filesystem::create_symlink("a.npy", directory / "plain");
  std::filesystem::create_symlink("loop", directory / "loop");
  for (const std::string& path :
       {std::string("/dev/stdin"), std::string("/dev/fd/0"), std::string("/proc/self/fd/0"),
        std::string("/proc/thread-self/fd/0"), fmt::format("/proc/{}/fd/{}", getpid(), file),
        fmt::format("/dev/../dev/fd/{}", file), fmt::format("/dev/fd/{}/a.npy", folder),
        std::string(directory / "link"), std::string(directory / "second")})
    EXPECT_TRUE(names_descriptor(path)) << path;
  for (const std::string& path :
       {std::string("-"), std::string(""), std::string("a.npy"), std::string("/proc/self/exe"),
        std::string(directory / "a.npy"), std::string(directory / "plain"), std::string(directory / "loop"),
        std::string(directory / "missing/a")})
    EXPECT_FALSE(names_descriptor(path)) << path;
  close(file);
  close(folder);
}

}  // namespace
}  // namespace cuelbo
