// Every format crossed with every fault: one line of message, an Error and nothing else, no half-written
// file.
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/idx.hpp"
#include "engine/io/image.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "tests/support/error_checks.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/support/idx_files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/test_data.hpp"

namespace cuelbo {
namespace {

using test::fails_with;
using test::fixture;
namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Without the fsync of write_file, which thousands of files would feel; a new file, since some file systems
// flush one that is cut.
void write_quickly(const fs::path& path, std::string_view text) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

struct Reader {
  std::string name;
  std::string valid;  // a whole file
  std::function<void(const fs::path&)> read;
};

std::vector<Reader> readers() {
  const std::string idx = test::idx_file({5, 3, 2}, 30);
  const auto image = [](const fs::path& path) { read_image(path); };
  const auto npz = [](const fs::path& path) { read_npz(path); };
  const auto images = [](const fs::path& path) { read_idx_images(path); };
  return {
      {"npy", text_of(fixture("f4.npy")), [](const fs::path& path) { read_npy(path); }},
      {"npz stored", text_of(fixture("stored.npz")), npz},
      {"npz deflated", text_of(fixture("deflated.npz")), npz},
      {"safetensors", text_of(fixture("all.safetensors")),
       [](const fs::path& path) { read_safetensors(path); }},
      {"idx images", idx, images},
      {"idx images gz", test::gzip(idx), images},
      {"idx labels", test::idx_file({30}, 30), [](const fs::path& path) { read_idx_labels(path); }},
      {"png grey", text_of(fixture("grey.png")), image},
      {"png rgb", text_of(fixture("rgb.png")), image},
      {"png palette", text_of(fixture("palette.png")), image},
      {"jpeg", text_of(fixture("rgb.jpg")), image},
      {"jpeg progressive", text_of(fixture("progressive.jpg")), image},
  };
}

TEST(BadInput, EveryReaderReadsTheWholeFile) {
  const test::TemporaryDirectory directory;
  for (const Reader& reader : readers()) {
    write_quickly(directory / "a", reader.valid);
    EXPECT_NO_THROW(reader.read(directory / "a")) << reader.name;
  }
}

TEST(BadInput, MissingFileDirectoryEmptyFileAndText) {
  const test::TemporaryDirectory directory;
  write_quickly(directory / "empty", "");
  write_quickly(directory / "text",
                "This is only some text, but a good deal of it, in a file of the wrong kind.");
  for (const Reader& reader : readers()) {
    SCOPED_TRACE(reader.name);
    EXPECT_TRUE(
        fails_with([&] { reader.read(directory / "missing"); }, "missing': cannot read: No such file"));
    EXPECT_TRUE(fails_with([&] { reader.read(directory.path()); }, "it is a directory"));
    EXPECT_TRUE(fails_with([&] { reader.read(directory / "empty"); }, "empty': "));
    EXPECT_TRUE(fails_with([&] { reader.read(directory / "text"); }, "text': "));
  }
}

TEST(BadInput, AFileThatMayNotBeRead) {
  const test::TemporaryDirectory directory;
  write_quickly(directory / "a", "x");
  fs::permissions(directory / "a", fs::perms::none);
  fs::permissions(directory.path(), fs::perms::all);
  const auto all = readers();
  const test::WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "this user reads everything";
  for (const Reader& reader : all)
    EXPECT_TRUE(fails_with([&] { reader.read(directory / "a"); }, "cannot read: Permission denied"))
        << reader.name;
}

TEST(BadInput, TruncatedAnywhere) {
  const test::TemporaryDirectory directory;
  for (const Reader& reader : readers()) {
    const std::size_t size = reader.valid.size();
    std::set<std::size_t> cuts;
    for (std::size_t cut = 0; cut < size; cut += 1 + size / 101) cuts.insert(cut);
    for (std::size_t cut = size - std::min<std::size_t>(size, 12); cut < size; ++cut) cuts.insert(cut);
    for (const std::size_t cut : cuts) {
      // Only an end mark follows a picture's last row.
      const bool only_the_end_mark = reader.name.starts_with("png")
                                         ? cut + 16 > size
                                         : reader.name.starts_with("jpeg") && cut + 2 >= size;
      if (only_the_end_mark) continue;
      write_quickly(directory / "a", std::string_view(reader.valid).substr(0, cut));
      EXPECT_TRUE(fails_with([&] { reader.read(directory / "a"); }, "a': "))
          << reader.name << " cut at " << cut;
    }
  }
}

TEST(BadInput, WrongMagic) {
  const test::TemporaryDirectory directory;
  for (const Reader& reader : readers()) {
    std::string file = reader.valid;
    file[0] = static_cast<char>(file[0] ^ 0x40);
    write_quickly(directory / "a", file);
    EXPECT_TRUE(fails_with([&] { reader.read(directory / "a"); }, "a': ")) << reader.name;
  }
}

// Whatever the bytes: a value or an Error.
TEST(BadInput, RandomDamageNeverEscapes) {
  const test::TemporaryDirectory directory;
  std::mt19937 random(1);
  int refused = 0;
  for (const Reader& reader : readers()) {
    for (int trial = 0; trial < 150; ++trial) {
      std::string file = reader.valid;
      for (std::size_t i = 0, n = 1 + random() % 4; i < n; ++i)
        file[random() % file.size()] = static_cast<char>(random());
      write_quickly(directory / "a", file);
      try {
        reader.read(directory / "a");
      } catch (const Error& error) {
        ++refused;
        EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << reader.name;
      } catch (const std::exception& error) {
        ADD_FAILURE() << reader.name << ", trial " << trial << ": " << error.what();
      }
    }
  }
  EXPECT_GT(refused, 500);
}

struct Writer {
  std::string name;
  std::function<void(const fs::path&)> write;  // more than 100 kB that do not compress
};

std::vector<Writer> writers() {
  std::mt19937 random(1);
  std::vector<std::uint8_t> noise(300 * 400);
  for (auto& x : noise) x = static_cast<std::uint8_t>(random());
  const Array array = make_array<std::uint8_t>({300, 400}, noise);
  const Image image{300, 400, 1, noise};
  return {
      {"text", [](const fs::path& path) { write_file(path, std::string(1 << 17, 'x')); }},
      {"npy", [=](const fs::path& path) { write_npy(path, array); }},
      {"npz", [=](const fs::path& path) { write_npz(path, {{"a", array}}); }},
      {"safetensors",
       [=](const fs::path& path) { write_safetensors(path, Safetensors{{{"a", array}}, {}}); }},
      {"png", [=](const fs::path& path) { write_png(path, image); }},
  };
}

TEST(BadOutput, MissingDirectoryAndDirectoryInTheWay) {
  const test::TemporaryDirectory directory;
  for (const Writer& writer : writers()) {
    SCOPED_TRACE(writer.name);
    EXPECT_TRUE(fails_with([&] { writer.write(directory / "no" / "a"); }, "there is no directory"));
    EXPECT_TRUE(fails_with([&] { writer.write(directory.path()); }, "Is a directory"));
    EXPECT_TRUE(test::directory_content(directory.path()).empty());
  }
}

TEST(BadOutput, UnwritableDirectory) {
  const test::TemporaryDirectory directory;
  fs::permissions(directory.path(), fs::perms{0555});
  const test::WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "this user writes everywhere";
  for (const Writer& writer : writers()) {
    EXPECT_TRUE(fails_with([&] { writer.write(directory / "a"); }, "Permission denied")) << writer.name;
    EXPECT_TRUE(test::directory_content(directory.path()).empty());
  }
}

TEST(BadOutput, FullDisk) {
  const test::SmallDisk disk(64 << 10);
  if (!disk.mounted()) GTEST_SKIP() << "this user may not mount a small disk";
  write_file(disk.path() / "a", "old");
  for (const Writer& writer : writers()) {
    SCOPED_TRACE(writer.name);
    EXPECT_TRUE(fails_with([&] { writer.write(disk.path() / "a"); }, "No space left on device"));
    EXPECT_EQ(test::directory_content(disk.path()), std::vector<std::string>{"a"});
    EXPECT_EQ(text_of(disk.path() / "a"), "old");
  }
}

TEST(BadOutput, FileSizeLimit) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a", "old");
  for (const Writer& writer : writers()) {
    SCOPED_TRACE(writer.name);
    const auto limited = [&] {
      const test::FileSizeLimit limit(64 << 10);
      writer.write(directory / "a");
    };
    EXPECT_TRUE(fails_with(limited, "File too large"));
    EXPECT_EQ(test::directory_content(directory.path()), std::vector<std::string>{"a"});
    EXPECT_EQ(text_of(directory / "a"), "old");
  }
}

}  // namespace
}  // namespace cuelbo
