// IDX files for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <zlib.h>

#include "engine/error.hpp"
#include "engine/io/atomic_file.hpp"

namespace cuelbo::test {

// A header for the shape, then `count` bytes 0, 1, 2, …
inline std::string idx_file(const std::vector<std::int64_t>& shape, std::size_t count) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const std::int64_t extent : shape)
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(extent >> shift);
  for (std::size_t i = 0; i < count; ++i) file += static_cast<char>(i);
  return file;
}

inline std::string gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) fail("gzip failed");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace cuelbo::test
