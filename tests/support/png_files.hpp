// PNG files made by hand, with what the encoder does not write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <zlib.h>

#include "engine/io/image.hpp"

namespace cuelbo::test {

inline std::string png_chunk(const std::string& type, const std::string& content) {
  const std::string body = type + content;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  std::string chunk;
  for (int shift = 24; shift >= 0; shift -= 8) chunk += static_cast<char>(content.size() >> shift);
  chunk += body;
  for (int shift = 24; shift >= 0; shift -= 8) chunk += static_cast<char>(sum >> shift);
  return chunk;
}

// The encoded image with these chunks behind its header.
inline std::vector<std::byte> png_with(const Image& image, const std::string& chunks) {
  auto file = encode_png(image);
  const auto bytes = std::as_bytes(std::span(chunks));
  file.insert(file.begin() + 33, bytes.begin(), bytes.end());
  return file;
}

// One row of grey with 16 bits.
inline std::string png_of_16_bits(const std::vector<std::uint16_t>& row) {
  const auto big_endian = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  std::string pixels(1, '\0');  // no filter
  for (const std::uint16_t value : row) pixels += big_endian(value).substr(2);
  std::string packed(compressBound(pixels.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(pixels.data()),
           pixels.size());
  packed.resize(size);
  const std::string header =
      big_endian(static_cast<std::uint32_t>(row.size())) + big_endian(1) + std::string("\x10\0\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

}  // namespace cuelbo::test
