#include "engine/io/npy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "engine/io/atomic_file.hpp"

namespace cuelbo {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t max_header_bytes = 1 << 16;
constexpr std::size_t max_rank = 32;

struct NpyType {
  std::string_view descr;
  Dtype dtype;
};

constexpr std::array npy_types = {
    NpyType{"|b1", Dtype::boolean}, NpyType{"|u1", Dtype::u8},  NpyType{"|i1", Dtype::i8},
    NpyType{"<u2", Dtype::u16},     NpyType{"<i2", Dtype::i16}, NpyType{"<u4", Dtype::u32},
    NpyType{"<i4", Dtype::i32},     NpyType{"<u8", Dtype::u64}, NpyType{"<i8", Dtype::i64},
    NpyType{"<f2", Dtype::f16},     NpyType{"<f4", Dtype::f32}, NpyType{"<f8", Dtype::f64}};

Dtype dtype_from(std::string_view descr) {
  for (const NpyType& type : npy_types)
    if (descr == type.descr || (dtype_size(type.dtype) == 1 && descr.substr(1) == type.descr.substr(1)))
      return type.dtype;
  if (descr.starts_with('>'))
    fail("dtype '{}' is big-endian; save array.astype('<{}') instead", descr, descr.substr(1));
  if (descr.starts_with("|O")) fail("holds Python objects (pickle), which are not read; save numbers");
  fail("dtype '{}' is not supported; bool, integers and float16 to float64 are", descr);
}

// Reads the Python literal that a header is: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        descr_ = descr();
      } else if (key == "fortran_order") {
        fortran_order_ = boolean();
      } else if (key == "shape") {
        shape_ = shape();
      } else {
        malformed();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!descr_ || !fortran_order_ || !shape_) malformed();
    const auto longer_than_one = std::count_if(shape_->begin(), shape_->end(), [](auto n) { return n != 1; });
    if (*fortran_order_ && longer_than_one > 1)
      fail("is in Fortran order; save numpy.ascontiguousarray(array) instead");
    return {dtype_from(*descr_), std::move(*shape_)};
  }

 private:
  [[noreturn]] static void malformed() { fail("the npy header is malformed"); }

  void skip_space() {
    const auto start = rest_.find_first_not_of(" \n\t");
    rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
  }
  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) malformed();
  }
  std::string_view quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const auto end = rest_.find(quote);
    if (end == std::string_view::npos) malformed();
    const auto text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string_view descr() {
    skip_space();
    if (rest_.starts_with('[')) fail("has a structured dtype; save each field as an array of its own");
    return quoted();
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    malformed();
  }
  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> extents;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc() || extents.size() == max_rank) malformed();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      extents.push_back(extent);
      accept('L');  // Python 2
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return extents;
  }

  std::string_view rest_;
  std::optional<std::string_view> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

std::string header_literal(const ByteSource& source, std::uint64_t stream_bytes, std::uint64_t& header_end) {
  std::array<std::byte, 8> start{};
  read_exactly(source, std::span(start).first(std::min<std::uint64_t>(start.size(), stream_bytes)),
               "the npy header");
  if (stream_bytes == 0 ||
      std::memcmp(start.data(), magic.data(), std::min<std::uint64_t>(stream_bytes, magic.size())) != 0)
    fail("is not an npy array: it does not start with \\x93NUMPY");
  if (stream_bytes < start.size()) fail("truncated: the npy header is incomplete");
  const int version = static_cast<int>(start[6]);
  if (version < 1 || version > 3) fail("npy version {} is not supported; versions 1 to 3 are", version);

  std::array<std::byte, 4> length_bytes{};
  const std::size_t length_size = version == 1 ? 2 : 4;
  read_exactly(source, std::span(length_bytes).first(length_size), "the npy header");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_size; ++i)
    length |= static_cast<std::uint64_t>(length_bytes[i]) << (8 * i);
  if (length > max_header_bytes)
    fail("the npy header declares {} bytes; at most {} are read", length, max_header_bytes);
  std::string literal(length, '\0');
  read_exactly(source, std::as_writable_bytes(std::span(literal)), "the npy header");
  header_end = start.size() + length_size + length;
  return literal;
}

}  // namespace

NpyHeader read_npy_header(const ByteSource& source, std::uint64_t stream_bytes) {
  std::uint64_t header_end = 0;
  const std::string literal = header_literal(source, stream_bytes, header_end);
  NpyHeader header = HeaderParser(literal).parse();
  const auto bytes =
      static_cast<std::uint64_t>(element_count(header.shape, header.dtype)) * dtype_size(header.dtype);
  const std::uint64_t present = stream_bytes - header_end;
  if (present < bytes)
    fail("truncated: {} of shape {} is {} bytes, {} are there", dtype_name(header.dtype),
         shape_text(header.shape), bytes, present);
  if (present > bytes)
    fail("{} bytes follow the {} that {} of shape {} takes", present - bytes, bytes, dtype_name(header.dtype),
         shape_text(header.shape));
  return header;
}

Array read_npy(const ByteSource& source, std::uint64_t stream_bytes) {
  NpyHeader header = read_npy_header(source, stream_bytes);
  const auto bytes =
      static_cast<std::uint64_t>(element_count(header.shape, header.dtype)) * dtype_size(header.dtype);
  return {header.dtype, std::move(header.shape), read_bytes(source, bytes, "the array")};
}

Array read_npy(const std::filesystem::path& path) {
  return in_context(fmt::format("'{}'", path.string()), [&] {
    InputFile file(path);
    return read_npy(file.source(), file.size());
  });
}

std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape) {
  const auto type =
      std::find_if(npy_types.begin(), npy_types.end(), [&](const NpyType& t) { return t.dtype == dtype; });
  if (type == npy_types.end()) fail("numpy has no {}; convert to float32", dtype_name(dtype));
  std::string literal =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", type->descr, shape_text(shape));
  constexpr std::size_t prefix = 10, alignment = 64;
  literal.append(alignment - (prefix + literal.size() + 1) % alignment, ' ');
  literal += '\n';
  if (literal.size() > 0xffff) fail("an array of {} dimensions is too much for a npy header", shape.size());
  std::string header(magic);
  header +=
      {'\x01', '\x00', static_cast<char>(literal.size() & 0xff), static_cast<char>(literal.size() >> 8)};
  return header + literal;
}

void write_npy(const std::filesystem::path& path, const Array& array) {
  AtomicFile file(path);
  file.write(npy_header(array.dtype, array.shape));
  file.write(array.data);
  file.commit();
}

}  // namespace cuelbo
