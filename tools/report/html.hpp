// Pieces of HTML.
#pragma once

#include <string>
#include <string_view>

#include "models/pictures.hpp"

namespace cuelbo::html {

std::string escape(std::string_view text);

// "−12.35": a fixed number of decimals, a real minus sign, "–" for NaN and Inf.
std::string number(double value, int decimals = 2);

// "12 000": digits in groups of three, thin spaces between them.
std::string count(long long value);

// "data:image/png;base64,…"
std::string data_uri(const Image& image);

// <img>; without a description it is decoration that a screen reader skips.
std::string img(const Image& image, std::string_view description = "");
// One <img> a tile.
std::string imgs(const Tiles& tiles);

}  // namespace cuelbo::html
