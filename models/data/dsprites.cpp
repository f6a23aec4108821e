#include "models/data/dsprites.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace cuelbo {
namespace {

constexpr int side = dsprites_side;
constexpr int max_corners = 200;
constexpr double square_half_side = 9.6;
constexpr double ellipse_a = 12.77, ellipse_b = 7.21;

// Corners in the coordinates (u, v) of the shape.
struct Polygon {
  int corners = 0;
  std::array<double, max_corners> u{}, v{};
};

Polygon make_square() {
  constexpr double h = square_half_side;
  return {4, {-h, h, h, -h}, {-h, -h, h, h}};
}

Polygon make_heart() {
  Polygon heart{max_corners, {}, {}};
  for (std::size_t k = 0; k < max_corners; ++k) {
    const double t = 2 * std::numbers::pi * static_cast<double>(k) / max_corners;
    const double sine = std::sin(t);
    heart.u[k] = 0.59975 * 16 * sine * sine * sine;
    heart.v[k] =
        -0.66225 * (13 * std::cos(t) - 5 * std::cos(2 * t) - 2 * std::cos(3 * t) - std::cos(4 * t)) - 1.44;
  }
  return heart;
}

// The position of a shape, in pixels. Every shape stays at least two pixels inside the image.
struct Placement {
  double x, y, scale, cosine, sine;
};

Placement placement(const DspritesFactors& f) {
  const double angle = 2 * std::numbers::pi * static_cast<double>(f.orientation % 39) / 39;
  return {16 + 32 * static_cast<double>(f.pos_x) / 31, 16 + 32 * static_cast<double>(f.pos_y) / 31,
          static_cast<double>(5 + f.scale) / 10, std::cos(angle), std::sin(angle)};
}

// All pixels of a row whose centre is to the right of x.
std::uint64_t right_of(double x) {
  const double next_centre = x + 0.5;
  return ~std::uint64_t{0} << static_cast<int>(next_centre);
}

// The first row whose centre is not above y.
int row_at(double y) { return side - static_cast<int>(side + 0.5 - y); }

// Even–odd rule: each edge that crosses the line through a row's centres flips the pixels to its right.
void fill(const Polygon& shape, const Placement& at, DspritesBits& rows) {
  std::array<double, max_corners + 1> x, y;
  std::array<int, max_corners + 1> first;
  const double cosine = at.scale * at.cosine, sine = at.scale * at.sine;
  const auto corners = static_cast<std::size_t>(shape.corners);
  for (std::size_t k = 0; k < corners; ++k) {
    x[k] = at.x + cosine * shape.u[k] + sine * shape.v[k];
    y[k] = at.y - sine * shape.u[k] + cosine * shape.v[k];
    first[k] = row_at(y[k]);
  }
  x[corners] = x[0], y[corners] = y[0], first[corners] = first[0];
  for (std::size_t k = 0; k < corners; ++k) {
    if (first[k] == first[k + 1]) continue;
    const double slope = (x[k + 1] - x[k]) / (y[k + 1] - y[k]);
    const auto [top, bottom] = std::minmax(first[k], first[k + 1]);
    for (int i = top; i < bottom; ++i)
      rows[static_cast<std::size_t>(i)] ^= right_of(x[k] + (i + 0.5 - y[k]) * slope);
  }
}

// (u/a)² + (v/b)² = p·dx² + 2q·dx·dy + r·dy² < 1, solved for dx in each row.
void fill_ellipse(const Placement& at, DspritesBits& rows) {
  const double wa = 1 / (ellipse_a * ellipse_a * at.scale * at.scale),
               wb = 1 / (ellipse_b * ellipse_b * at.scale * at.scale);
  const double p = at.cosine * at.cosine * wa + at.sine * at.sine * wb;
  const double q = at.cosine * at.sine * (wb - wa);
  const double r = at.sine * at.sine * wa + at.cosine * at.cosine * wb;
  const double reach = std::sqrt(p / (p * r - q * q));
  for (int i = row_at(at.y - reach), end = row_at(at.y + reach); i < end; ++i) {
    const double dy = i + 0.5 - at.y;
    const double discriminant = q * q * dy * dy - p * (r * dy * dy - 1);
    if (discriminant <= 0) continue;
    const double middle = at.x - q * dy / p, half = std::sqrt(discriminant) / p;
    rows[static_cast<std::size_t>(i)] = right_of(middle - half) & ~right_of(middle + half);
  }
}

// The eight pixels of every byte.
using PixelTable = std::array<std::array<float, 8>, 256>;

constexpr PixelTable make_pixel_table() {
  PixelTable table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte)
    for (std::size_t bit = 0; bit < 8; ++bit) table[byte][bit] = (byte >> bit & 1) != 0 ? 1.0F : 0.0F;
  return table;
}

alignas(64) constexpr PixelTable pixel_table = make_pixel_table();

void expand(const DspritesBits& rows, float* image) {
  for (const std::uint64_t row : rows) {
    for (int byte = 0; byte < side / 8; ++byte) {
      std::memcpy(image, pixel_table[row >> (8 * byte) & 0xff].data(), 8 * sizeof(float));
      image += 8;
    }
  }
}

DatasetInfo dsprites_info() {
  Factor shape{"shape", {0, 1, 2}, {"square", "ellipse", "heart"}};
  Factor scale{"scale", {}, {}}, orientation{"orientation", {}, {}}, pos_x{"posX", {}, {}};
  for (int i = 0; i < 6; ++i) scale.values.push_back((5 + i) / 10.0);
  for (int i = 0; i < 40; ++i) orientation.values.push_back(2 * std::numbers::pi * i / 39);
  for (int i = 0; i < 32; ++i) pos_x.values.push_back(i / 31.0);
  Factor pos_y = pos_x;
  pos_y.name = "posY";
  return {.name = "dSprites (regenerated)",
          .size = dsprites_size,
          .height = side,
          .width = side,
          .channels = 1,
          .factors = {shape, scale, orientation, pos_x, pos_y}};
}

}  // namespace

DspritesFactors dsprites_factors(std::int64_t item) {
  return {item / 245760, item / 40960 % 6, item / 1024 % 40, item / 32 % 32, item % 32};
}

std::int64_t dsprites_item(const DspritesFactors& f) {
  return f.shape * 245760 + f.scale * 40960 + f.orientation * 1024 + f.pos_x * 32 + f.pos_y;
}

DspritesBits render_dsprite(const DspritesFactors& factors) {
  static const Polygon square = make_square(), heart = make_heart();
  DspritesBits rows{};
  const Placement at = placement(factors);
  switch (factors.shape) {
    case 0: fill(square, at, rows); break;
    case 1: fill_ellipse(at, rows); break;
    default: fill(heart, at, rows); break;
  }
  return rows;
}

Dsprites::Dsprites() : Dataset(dsprites_info()) {}

void Dsprites::gather(std::span<const std::int64_t> items, float* images) const {
  for (std::size_t n = 0; n < items.size(); ++n)
    expand(render_dsprite(dsprites_factors(items[n])), images + n * side * side);
}

void Dsprites::gather_factors(std::span<const std::int64_t> items, std::int64_t* indices) const {
  for (const std::int64_t item : items) {
    const DspritesFactors f = dsprites_factors(item);
    for (const std::int64_t index : {f.shape, f.scale, f.orientation, f.pos_x, f.pos_y}) *indices++ = index;
  }
}

std::uint32_t Dsprites::checksum() const {
  std::uint32_t checksum = 0;
  for (std::int64_t item = 0; item < dsprites_size; item += 737) {
    const DspritesBits bits = render_dsprite(dsprites_factors(item));
    checksum = extend_checksum(checksum, std::as_bytes(std::span(bits)));
  }
  return checksum;
}

}  // namespace cuelbo
