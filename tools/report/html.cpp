#include "tools/report/html.hpp"

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace cuelbo::html {

namespace {

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const auto byte = [&](std::size_t k) { return k < left ? std::to_integer<unsigned>(bytes[i + k]) : 0U; };
    const unsigned word = byte(0) << 16 | byte(1) << 8 | byte(2);
    text += digits[word >> 18];
    text += digits[word >> 12 & 63];
    text += left > 1 ? digits[word >> 6 & 63] : '=';
    text += left > 2 ? digits[word & 63] : '=';
  }
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  return result;
}

std::string number(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  const std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !zero ? "−" + digits : digits;
}

std::string count(long long value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3 + (value < 0 ? 1U : 0U);) {
    at -= 3;
    text.insert(at, "\u202f");
  }
  return text;
}

std::string data_uri(const Image& image) { return "data:image/png;base64," + base64(encode_png(image)); }

std::string img(const Image& image, std::string_view description) {
  return fmt::format("<img src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\">", data_uri(image), image.width,
                     image.height, escape(description));
}

std::string imgs(const Tiles& tiles) {
  std::string text;
  for (std::int64_t i = 0; i < tiles.count(); ++i) text += img(tiles.tile(i));
  return text;
}

}  // namespace cuelbo::html
