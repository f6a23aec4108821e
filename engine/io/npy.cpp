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
constexpr std::size_t max_text = 4096;       // characters of a text
constexpr std::int64_t max_texts = 1 << 20;  // in an array

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
  const bool ordered = !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
  const std::string_view kind = ordered ? descr.substr(1) : descr;
  for (const NpyType& type : npy_types)
    if (kind == type.descr.substr(1)) return type.dtype;
  if (kind.starts_with('O')) fail("holds Python objects (pickle), which are not read; save numbers");
  if (kind.starts_with('U') || kind.starts_with('S'))
    fail("holds text (dtype '{}'), which is not read; save numbers", descr);
  fail("dtype '{}' is not supported; bool, integers and float16 to float64 are", descr);
}

// Reads the Python literal that a header is: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  struct Text {
    std::size_t characters = 0;  // of each element
    bool unicode = false, big_endian = false;
    std::int64_t count = 0;
  };

  Text parse_text() {
    parse_literal();
    Text text{.unicode = descr_->find('U') == 1, .big_endian = descr_->starts_with('>')};
    const std::string_view digits = descr_->substr(std::min<std::size_t>(2, descr_->size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), text.characters);
    const bool is_text = (text.unicode || descr_->find('S') == 1) && error == std::errc() &&
                         end == digits.data() + digits.size() && text.characters <= max_text;
    if (!is_text || shape_->size() != 1 || (*shape_)[0] < 0 || (*shape_)[0] > max_texts)
      fail("dtype '{}' of shape {} is not a list of texts", *descr_, shape_text(*shape_));
    text.count = (*shape_)[0];
    return text;
  }

  NpyHeader parse() {
    parse_literal();
    NpyHeader header{dtype_from(*descr_), std::move(*shape_)};
    const auto longer_than_one =
        std::count_if(header.shape.begin(), header.shape.end(), [](auto n) { return n != 1; });
    header.fortran_order = *fortran_order_ && longer_than_one > 1;
    header.big_endian = descr_->starts_with('>') && dtype_size(header.dtype) > 1;
    return header;
  }

 private:
  void parse_literal() {
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
  }

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

// Other files that people have where an array is expected.
std::string_view kind_of(std::string_view start) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kinds{{
      {"\x89HDF", "an HDF5 file; save the array with numpy.save"},
      {"MATLAB", "a MATLAB file; save the array with numpy.save"},
      {"\x1f\x8b", "a gzip file; unpack it first"},
      {"\x80\x04", "a pickle, which is not read; save the array with numpy.save"},
      {"PK\x03\x04", "a zip archive; name it .npz"},
      {"\x89PNG", "a picture"},
      {"\xff\xd8\xff", "a picture"},
      {"\0\0\x08"sv, "an IDX file"},
  }};
  for (const auto& [magic_bytes, name] : kinds)
    if (start.starts_with(magic_bytes)) return name;
  return "";
}

std::string header_literal(const ByteSource& source, std::uint64_t& header_end) {
  std::array<char, 8> start{};
  std::size_t got = 0;
  while (got < start.size()) {
    const std::size_t more = source(std::as_writable_bytes(std::span(start)).subspan(got));
    if (more == 0) break;
    got += more;
  }
  const std::string_view text(start.data(), got);
  if (text.empty()) fail("is not an npy array: it is empty");
  if (text.substr(0, magic.size()) != magic.substr(0, got)) {
    const std::string_view kind = kind_of(text);
    if (!kind.empty()) fail("is not an npy array: it is {}", kind);
    fail("is not an npy array: it does not start with \\x93NUMPY");
  }
  if (got < start.size()) fail("truncated: the npy header is incomplete");
  const int version = static_cast<unsigned char>(start[6]);
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

std::uint64_t element_bytes(const NpyHeader& header) {
  return static_cast<std::uint64_t>(element_count(header.shape, header.dtype)) * dtype_size(header.dtype);
}

// From Fortran order, in which the first index runs fastest, to C order: the first and the last index change places in
// tiles, for each value of the indices between them.
template <std::size_t width>
void reorder(const std::vector<std::int64_t>& shape, const std::byte* from, std::byte* to) {
  constexpr std::int64_t tile = 32;
  const std::size_t last = shape.size() - 1;
  const std::int64_t rows = shape[0], columns = shape[last];
  std::int64_t middle = 1;
  for (std::size_t k = 1; k < last; ++k) middle *= shape[k];
  const std::int64_t from_stride = rows * middle, to_stride = middle * columns;
  for (std::int64_t m = 0; m < middle; ++m) {
    std::int64_t from_base = 0;  // of the indices whose place in C order is m
    std::int64_t rest = m, stride = from_stride;
    for (std::size_t k = last - 1; k >= 1; --k) {
      stride /= shape[k];
      from_base += rest % shape[k] * stride;
      rest /= shape[k];
    }
    for (std::int64_t row_tile = 0; row_tile < rows; row_tile += tile)
      for (std::int64_t column_tile = 0; column_tile < columns; column_tile += tile)
        for (std::int64_t r = row_tile; r < std::min(rows, row_tile + tile); ++r)
          for (std::int64_t c = column_tile; c < std::min(columns, column_tile + tile); ++c)
            std::memcpy(to + (r * to_stride + m * columns + c) * static_cast<std::int64_t>(width),
                        from + (r + from_base + c * from_stride) * static_cast<std::int64_t>(width), width);
  }
}

std::vector<std::byte> in_c_order(const NpyHeader& header, const std::vector<std::byte>& data) {
  std::vector<std::byte> result(data.size());
  if (data.empty()) return result;
  switch (dtype_size(header.dtype)) {
    case 1: reorder<1>(header.shape, data.data(), result.data()); break;
    case 2: reorder<2>(header.shape, data.data(), result.data()); break;
    case 4: reorder<4>(header.shape, data.data(), result.data()); break;
    default: reorder<8>(header.shape, data.data(), result.data());
  }
  return result;
}

// The header of an array whose elements have the type `descr`.
std::string header_of(std::string_view descr, std::span<const std::int64_t> shape) {
  std::string literal =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape_text(shape));
  constexpr std::size_t prefix = 10, alignment = 64;
  literal.append(alignment - (prefix + literal.size() + 1) % alignment, ' ');
  literal += '\n';
  if (literal.size() > 0xffff)
    fail("an array of {} dimensions does not fit into an npy header", shape.size());
  std::string header(magic);
  header +=
      {'\x01', '\x00', static_cast<char>(literal.size() & 0xff), static_cast<char>(literal.size() >> 8)};
  return header + literal;
}

// Bytes that are not valid UTF-8 become U+FFFD.
std::u32string to_utf32(std::string_view text) {
  std::u32string points;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80       ? 1
                               : lead >> 5 == 6  ? 2
                               : lead >> 4 == 14 ? 3
                               : lead >> 3 == 30 ? 4
                                                 : 0;
    char32_t point = length < 2 ? lead : lead & (0x7fU >> length);
    bool valid = length > 0 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      valid = next >> 6 == 2;
      point = point << 6 | (next & 0x3fU);
    }
    points += valid ? point : U'\ufffd';
    i += valid ? length : 1;
  }
  return points;
}

void append_utf8(std::string& text, char32_t point) {
  if (point > 0x10ffff) point = U'\ufffd';
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
  } else if (point < 0x10000) {
    text += {static_cast<char>(0xe0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3f)),
             static_cast<char>(0x80 | (point & 0x3f))};
  } else {
    text += {static_cast<char>(0xf0 | point >> 18), static_cast<char>(0x80 | (point >> 12 & 0x3f)),
             static_cast<char>(0x80 | (point >> 6 & 0x3f)), static_cast<char>(0x80 | (point & 0x3f))};
  }
}

}  // namespace

NpyHeader read_npy_header(const ByteSource& source, std::optional<std::uint64_t> stream_bytes) {
  std::uint64_t header_end = 0;
  const std::string literal = header_literal(source, header_end);
  NpyHeader header = HeaderParser(literal).parse();
  const std::uint64_t bytes = element_bytes(header);
  if (!stream_bytes) return header;
  const std::uint64_t present = *stream_bytes - header_end;
  if (present < bytes)
    fail("truncated: {} of shape {} is {} bytes, {} are there", dtype_name(header.dtype),
         shape_text(header.shape), bytes, present);
  if (present > bytes)
    fail("{} bytes follow the {} that {} of shape {} takes", present - bytes, bytes, dtype_name(header.dtype),
         shape_text(header.shape));
  return header;
}

Array read_npy(const ByteSource& source, std::optional<std::uint64_t> stream_bytes) {
  NpyHeader header = read_npy_header(source, stream_bytes);
  const std::uint64_t bytes = element_bytes(header);
  if (header.fortran_order) check_fits_in_memory(2 * bytes);
  auto data = read_bytes(source, bytes, "the array");
  std::byte end;
  if (!stream_bytes && source({&end, 1}) != 0)
    fail("bytes follow the {} that {} of shape {} takes", bytes, dtype_name(header.dtype),
         shape_text(header.shape));
  if (header.big_endian) reverse_bytes(data, dtype_size(header.dtype));
  if (header.fortran_order) data = in_c_order(header, data);
  return {header.dtype, std::move(header.shape), std::move(data)};
}

Array read_npy(const std::filesystem::path& path) {
  return in_context(input_name(path), [&] {
    InputFile file(path, Pipes::accepted);
    return read_npy(file.source(), file.size());
  });
}

std::string npy_header(Dtype dtype, std::span<const std::int64_t> shape) {
  const auto type =
      std::find_if(npy_types.begin(), npy_types.end(), [&](const NpyType& t) { return t.dtype == dtype; });
  if (type == npy_types.end()) fail("numpy has no {}; convert to float32", dtype_name(dtype));
  return header_of(type->descr, shape);
}

std::string npy_text(std::span<const std::string> texts) {
  std::vector<std::u32string> wide;
  std::size_t characters = 1;
  for (const std::string& text : texts) {
    wide.push_back(to_utf32(text));
    characters = std::max(characters, wide.back().size());
  }
  const std::int64_t count = std::ssize(texts);
  std::string result = header_of(fmt::format("<U{}", characters), {&count, 1});
  for (std::u32string& text : wide) {
    text.resize(characters);  // with zeros
    for (const char32_t c : text)
      for (int shift = 0; shift < 32; shift += 8) result += static_cast<char>(c >> shift & 0xff);
  }
  return result;
}

std::vector<std::string> read_npy_text(const ByteSource& source, std::optional<std::uint64_t>) {
  std::uint64_t header_end = 0;
  const std::string literal = header_literal(source, header_end);
  const HeaderParser::Text header = HeaderParser(literal).parse_text();
  const std::size_t width = header.unicode ? 4 : 1;
  const auto bytes =
      read_bytes(source, static_cast<std::uint64_t>(header.count) * header.characters * width, "the texts");
  std::vector<std::string> texts(static_cast<std::size_t>(header.count));
  const std::byte* from = bytes.data();
  for (std::string& text : texts)
    for (std::size_t c = 0; c < header.characters; ++c, from += width) {
      char32_t point = 0;
      for (std::size_t i = 0; i < width; ++i)
        point = point << 8 | static_cast<char32_t>(from[header.big_endian ? i : width - 1 - i]);
      if (point != 0) append_utf8(text, header.unicode ? point : point & 0xff);
    }
  return texts;
}

bool starts_like_npy_text(const ByteSource& source) {
  try {
    std::uint64_t header_end = 0;
    const std::string literal = header_literal(source, header_end);
    static_cast<void>(HeaderParser(literal).parse_text());
    return true;
  } catch (const Error&) {
    return false;
  }
}

void write_npy(const std::filesystem::path& path, const Array& array) {
  AtomicFile file(path);
  file.write(npy_header(array.dtype, array.shape));
  file.write(array.data);
  file.commit();
}

}  // namespace cuelbo
