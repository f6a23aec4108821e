#include "models/event_file.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/support/error_checks.hpp"
#include "tests/support/temporary_directory.hpp"

namespace cuelbo {
namespace {

std::string read_text(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(EventFile, Crc32cOfKnownInputs) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
}

// One record by hand: framing, masks and message.
TEST(EventFile, WritesRecordsToTheLetter) {
  const test::TemporaryDirectory directory;
  EventFile file(directory.path(), -1);
  const std::size_t begin = read_text(file.path()).size();
  file.write(300, 1.0, {{"a/b", 0.5F}});
  const std::string bytes = read_text(file.path()).substr(begin);

  const std::string data(
      "\x09\0\0\0\0\0\0\xf0\x3f"  // wall_time = 1.0
      "\x10\xac\x02"              // step = 300
      "\x2a\x0c"                  // summary, 12 bytes
      "\x0a\x0a"                  // value, 10 bytes
      "\x0a\x03"
      "a/b"              // tag
      "\x15\0\0\0\x3f",  // simple_value = 0.5
      26);
  const std::string length("\x1a\0\0\0\0\0\0\0", 8);
  const auto masked = [](std::string_view text) {
    const std::uint32_t crc = crc32c(text);
    const std::uint32_t mask = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    std::string result(4, '\0');
    std::memcpy(result.data(), &mask, 4);
    return result;
  };
  EXPECT_EQ(bytes, length + masked(length) + data + masked(data));
}

TEST(EventFile, GoesOnAfterAStep) {
  const test::TemporaryDirectory directory, other;
  const Scalars scalars{{"x", 1.0F}};
  {
    EventFile file(directory.path(), -1);
    for (int step = 1; step <= 3; ++step) file.write(step, step, scalars);
  }
  const std::string path = directory.path() / test::directory_content(directory.path()).front();
  const std::string three = read_text(path);
  {
    EventFile file(directory.path(), 3);
    file.write(400, 400, scalars);
  }
  std::ofstream(path, std::ios::app) << "half a record";
  {
    const EventFile file(directory.path(), 3);
  }
  EXPECT_EQ(read_text(path), three);
  {
    EventFile file(directory.path(), 2);
    file.write(3, 3, scalars);
  }
  EXPECT_EQ(read_text(path), three);
  EXPECT_EQ(test::directory_content(directory.path()).size(), 1u);
}

// As TensorBoard's own writers name and archives call them, newer and older than ours.
TEST(EventFile, FilesOfOtherProgramsAreLeftAlone) {
  const std::vector<std::string> others{"events.out.tfevents.0000000001.host.12.0",
                                        "events.out.tfevents.9999999999.host",
                                        "events.out.tfevents.9.cuelbo.gz", "events.cuelbo"};
  const test::TemporaryDirectory directory;
  for (const std::string& name : others) std::ofstream(directory / name) << "not cut";
  std::string path;
  for (const int step : {-1, 0, 1}) {
    EventFile file(directory.path(), step);
    EXPECT_EQ(file.is_new(), step < 0);
    file.write(step + 1, 1.0, {{"x", 1.0F}});
    if (path.empty()) path = file.path();
    EXPECT_EQ(file.path(), path);
  }
  for (const std::string& name : others) EXPECT_EQ(read_text(directory / name), "not cut") << name;
  EXPECT_EQ(test::directory_content(directory.path()).size(), others.size() + 1);
}

TEST(EventFile, OneWriterAtATime) {
  const test::TemporaryDirectory directory;
  const EventFile first(directory.path(), -1);
  EXPECT_TRUE(test::fails_with([&] { EventFile(directory.path(), -1); }, "another process is writing it"));
}

TEST(EventFile, TensorBoardReadsIt) {
  const char* python = std::getenv("CUELBO_TEST_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "CUELBO_TEST_PYTHON names no Python with tensorboard";
  const test::TemporaryDirectory directory;
  {
    EventFile file(directory.path(), -1);
    for (int step = 1; step <= 3; ++step)
      file.write(step * 100, step, {{"train/elbo", 0.5F * static_cast<float>(step)}, {"train/kl", 2.0F}});
  }
  std::ofstream(directory / "read.py") << R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
assert events.Tags()["scalars"] == ["train/elbo", "train/kl"], events.Tags()
assert [(e.step, e.value, e.wall_time) for e in events.Scalars("train/elbo")] == [(100, 0.5, 1.0), (200, 1.0, 2.0), (300, 1.5, 3.0)]
assert [e.value for e in events.Scalars("train/kl")] == [2.0, 2.0, 2.0]
)";
  const std::string command = std::string("'") + python + "' '" + (directory / "read.py").string() + "' '" +
                              directory.path().string() + "' 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace cuelbo
