#include "engine/io/idx.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include <zlib.h>

#include "engine/io/input_file.hpp"

namespace cuelbo {
namespace {

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

// zlib hands through a file that is not gzip, so both kinds are read the same way.
std::size_t read_some(gzFile_s* file, std::span<std::byte> bytes) {
  constexpr std::size_t most = 1 << 30;
  const int got = gzread(file, bytes.data(), static_cast<unsigned>(std::min(bytes.size(), most)));
  if (got > 0) return static_cast<std::size_t>(got);
  int code = Z_OK;
  const char* reason = gzerror(file, &code);
  if (code == Z_BUF_ERROR) fail("truncated: the gzip stream ends early");
  if (code != Z_OK && code != Z_STREAM_END) fail("damaged gzip stream: {}", reason);
  return 0;
}

std::optional<Dtype> dtype_from(std::uint8_t code) {
  switch (code) {
    case 0x08: return Dtype::u8;
    case 0x09: return Dtype::i8;
    case 0x0b: return Dtype::i16;
    case 0x0c: return Dtype::i32;
    case 0x0d: return Dtype::f32;
    case 0x0e: return Dtype::f64;
    default: return std::nullopt;
  }
}

// An array of rank `rank` or one more.
Array read_idx(const std::filesystem::path& path, std::uint8_t rank, std::string_view what) {
  const std::uint64_t file_bytes = InputFile(path).size().value_or(0);
  const GzipFile file(gzopen(path.c_str(), "rb"));
  if (!file) fail("cannot read: {}", std::strerror(errno));
  const ByteSource source = [&](std::span<std::byte> bytes) { return read_some(file.get(), bytes); };

  std::array<std::uint8_t, 4> magic{};
  read_exactly(source, std::as_writable_bytes(std::span(magic)), "the IDX header");
  const auto dtype = dtype_from(magic[2]);
  if (magic[0] != 0 || magic[1] != 0 || !dtype || magic[3] < rank || magic[3] > rank + 1)
    fail("is not a file of IDX {}: it starts with {:02x}, not 00 00 08 {:02x}", what, fmt::join(magic, " "),
         rank);

  std::vector<std::int64_t> shape(magic[3]);
  for (std::int64_t& extent : shape) {
    std::array<std::uint8_t, 4> word{};
    read_exactly(source, std::as_writable_bytes(std::span(word)), "the IDX header");
    for (const std::uint8_t byte : word) extent = extent << 8 | byte;
  }
  const auto bytes = static_cast<std::uint64_t>(element_count(shape, *dtype)) * dtype_size(*dtype);
  const std::uint64_t header_bytes = magic.size() + 4 * shape.size();
  if (gzdirect(file.get()) != 0) {
    if (file_bytes < header_bytes + bytes)
      fail("truncated: {} of shape {} take {} bytes, {} are there", what, shape_text(shape), bytes,
           file_bytes - header_bytes);
  } else {
    check_deflate_ratio(bytes, file_bytes);
  }
  Array array{*dtype, shape, read_bytes(source, bytes, what)};
  std::byte end;
  if (source({&end, 1}) != 0) fail("bytes follow the {} of shape {}", what, shape_text(shape));
  reverse_bytes(array.data, dtype_size(array.dtype));
  return array;
}

}  // namespace

Array read_idx_images(const std::filesystem::path& path) {
  return in_context(input_name(path), [&] { return read_idx(path, 3, "images"); });
}

Array read_idx_labels(const std::filesystem::path& path) {
  return in_context(input_name(path), [&] {
    Array labels = read_idx(path, 1, "labels");
    if (labels.rank() == 1 && labels.dtype < Dtype::f16) return labels;
    const auto values = labels.as_i64();
    const std::int64_t count = labels.shape[0], columns = labels.rank() == 2 ? labels.shape[1] : 1;
    constexpr std::int64_t qmnist_columns = 8;
    const bool one_hot = columns != 1 && std::ranges::all_of(values, [](std::int64_t value) {
                           return value == 0 || value == 1;
                         });
    if (columns != 1 && (columns != qmnist_columns || labels.dtype != Dtype::i32 || one_hot))
      fail(
          "labels have shape {} and type {}{}; one number for each image, or QMNIST's int32 table of {} "
          "columns, is needed",
          shape_text(labels.shape), dtype_name(labels.dtype), one_hot ? ", all of them 0 or 1" : "",
          qmnist_columns);
    Array first = make_array(Dtype::i64, {count});
    for (std::int64_t i = 0; i < count; ++i)
      first.as<std::int64_t>()[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(i * columns)];
    return first;
  });
}

}  // namespace cuelbo
