#include "models/pictures.hpp"

#include <algorithm>
#include <cmath>

#include "engine/error.hpp"
#include "models/random_values.hpp"

namespace cuelbo {

namespace {

constexpr std::uint8_t gap_grey = 128;

std::uint8_t to_byte(float x, Shades shades) {
  const float value = (x - shades.black) / (shades.white - shades.black);
  return value > 0 ? static_cast<std::uint8_t>(std::lround(std::min(value, 1.0F) * 255)) : std::uint8_t{0};
}

// First column of a discrete group in a code.
std::int64_t class_column(const GroupTree& tree, int discrete) {
  std::int64_t column = std::ssize(tree.dims());
  for (int g = 0; g < discrete; ++g) column += tree.classes()[static_cast<std::size_t>(g)];
  return column;
}

void set_class(std::span<float> code, const GroupTree& tree, const LatentAxis& axis, std::int64_t chosen) {
  const auto one_hot = code.subspan(static_cast<std::size_t>(class_column(tree, axis.discrete)),
                                    static_cast<std::size_t>(axis.classes));
  std::fill(one_hot.begin(), one_hot.end(), 0.0F);
  one_hot[static_cast<std::size_t>(chosen)] = 1;
}

double gaussian_kl(const Codes& codes, std::int64_t column) {
  double sum = 0;
  for (std::int64_t item = 0; item < codes.items; ++item) {
    const auto at = static_cast<std::size_t>(item * codes.dims + column);
    const double mean = codes.mean[at], logvar = codes.logvar[at];
    sum += 0.5 * (mean * mean + std::exp(logvar) - 1 - logvar);
  }
  return sum / static_cast<double>(codes.items);
}

// Against the uniform distribution.
double discrete_kl(const Codes::Discrete& group) {
  const auto classes = static_cast<std::size_t>(group.classes);
  double sum = 0;
  for (std::size_t row = 0; row < group.logits.size(); row += classes) {
    const float* logits = group.logits.data() + row;
    const double top = *std::max_element(logits, logits + classes);
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c) total += std::exp(static_cast<double>(logits[c]) - top);
    for (std::size_t c = 0; c < classes; ++c) {
      const double log_q = static_cast<double>(logits[c]) - top - std::log(total);
      sum += std::exp(log_q) * (log_q + std::log(static_cast<double>(classes)));
    }
  }
  const std::size_t rows = group.logits.size() / classes;
  return sum / static_cast<double>(rows);
}

}  // namespace

std::int64_t Tiles::count() const {
  const std::int64_t size = height * width * channels;
  return size > 0 ? std::ssize(pixels) / size : 0;
}

Image Tiles::tile(std::int64_t index) const {
  const std::int64_t size = height * width * channels;
  const auto begin = pixels.begin() + index * size;
  return {.height = height, .width = width, .channels = channels, .pixels = {begin, begin + size}};
}

Shades shades_of(std::span<const float> images) {
  const auto [least, greatest] = std::minmax_element(images.begin(), images.end());
  if (least == images.end() || (*least >= 0 && *greatest <= 1) || !(*least < *greatest)) return {};
  return {.black = *least, .white = *greatest};
}

Tiles make_tiles(std::span<const float> images, ImageShape shape, Shades shades) {
  Tiles tiles{.height = shape.height, .width = shape.width, .channels = shape.channels == 3 ? 3 : 1};
  const auto stride = static_cast<std::size_t>(shape.channels);
  for (std::size_t pixel = 0; pixel < images.size(); pixel += stride)
    for (std::int64_t c = 0; c < tiles.channels; ++c)
      tiles.pixels.push_back(to_byte(images[pixel + static_cast<std::size_t>(c)], shades));
  return tiles;
}

Image arrange(const std::vector<Tiles>& rows, std::int64_t gap) {
  const auto first = std::find_if(rows.begin(), rows.end(), [](const Tiles& row) { return row.count() > 0; });
  if (first == rows.end()) fail("there are no pictures to arrange");
  const std::int64_t height = first->height, width = first->width, channels = first->channels;
  std::int64_t columns = 0, total_height = gap;
  for (const Tiles& row : rows) {
    columns = std::max(columns, row.count());
    total_height += row.count() > 0 ? height + gap : 4 * gap;
  }
  Image image{.height = total_height, .width = columns * (width + gap) + gap, .channels = channels};
  image.pixels.assign(static_cast<std::size_t>(image.height * image.width * channels), gap_grey);
  std::int64_t top = gap;
  for (const Tiles& row : rows) {
    for (std::int64_t t = 0; t < row.count(); ++t)
      for (std::int64_t y = 0; y < height; ++y)
        std::copy_n(row.pixels.begin() + (t * height + y) * width * channels, width * channels,
                    image.pixels.begin() + ((top + y) * image.width + gap + t * (width + gap)) * channels);
    top += row.count() > 0 ? height + gap : 4 * gap;
  }
  return image;
}

std::vector<LatentAxis> latent_axes(const Codes& codes, const GroupTree& tree) {
  std::vector<LatentAxis> axes;
  for (const GroupNode& node : tree.nodes()) {
    if (!node.is_leaf()) continue;
    for (int d = node.block.dim_begin; d < node.block.dim_end; ++d)
      axes.push_back({.group = node.name,
                      .name = fmt::format("{} {}", node.name, d - node.block.dim_begin + 1),
                      .dim = d,
                      .kl = gaussian_kl(codes, tree.dims()[static_cast<std::size_t>(d)])});
    if (!node.is_discrete_leaf()) continue;
    const auto group = std::find_if(codes.discrete.begin(), codes.discrete.end(),
                                    [&](const Codes::Discrete& g) { return g.name == node.name; });
    if (group == codes.discrete.end()) fail("the codes have no discrete group '{}'", node.name);
    axes.push_back({.group = node.name,
                    .name = node.name,
                    .discrete = node.block.group_begin,
                    .classes = group->classes,
                    .kl = discrete_kl(*group)});
  }
  return axes;
}

std::vector<LatentAxis> sorted_by_kl(std::vector<LatentAxis> axes) {
  std::stable_sort(axes.begin(), axes.end(),
                   [](const LatentAxis& a, const LatentAxis& b) { return a.kl > b.kl; });
  return axes;
}

std::vector<float> traversal_values() {
  std::vector<float> values;
  for (int i = 0; i < traversal_steps; ++i)
    values.push_back(traversal_limit * (2 * static_cast<float>(i) / (traversal_steps - 1) - 1));
  return values;
}

Tiles traverse(Decoder& decoder, std::span<const float> code, const LatentAxis& axis, Shades shades) {
  const bool discrete = axis.discrete >= 0;
  const std::vector<float> values = traversal_values();
  const std::size_t steps = discrete ? static_cast<std::size_t>(axis.classes) : values.size();
  std::vector<float> codes;
  for (std::size_t i = 0; i < steps; ++i) {
    codes.insert(codes.end(), code.begin(), code.end());
    const std::span<float> moved = std::span(codes).last(code.size());
    if (discrete)
      set_class(moved, decoder.model().tree(), axis, static_cast<std::int64_t>(i));
    else
      moved[static_cast<std::size_t>(axis.dim)] = values[i];
  }
  return make_tiles(decoder(codes), decoder.model().image(), shades);
}

std::vector<Tiles> traverse_classes(Decoder& decoder, std::span<const float> code, const LatentAxis& group,
                                    const LatentAxis& dim, Shades shades) {
  std::vector<Tiles> rows;
  std::vector<float> moved(code.begin(), code.end());
  for (std::int64_t chosen = 0; chosen < group.classes; ++chosen) {
    set_class(moved, decoder.model().tree(), group, chosen);
    rows.push_back(traverse(decoder, moved, dim, shades));
  }
  return rows;
}

Tiles sample_prior(Decoder& decoder, std::int64_t count, std::uint64_t seed, Shades shades) {
  const GroupTree& tree = decoder.model().tree();
  const std::int64_t dims = std::ssize(tree.dims()), groups = std::ssize(tree.classes());
  const std::int64_t width = decoder.model().code_size();
  const std::vector<float> normal = standard_normal(seed, count * (dims + groups));
  std::vector<float> codes(static_cast<std::size_t>(count * width), 0.0F);
  for (std::int64_t i = 0; i < count; ++i) {
    const float* draw = normal.data() + i * (dims + groups);
    float* code = codes.data() + i * width;
    std::copy_n(draw, dims, code);
    std::int64_t column = dims;
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int64_t classes = tree.classes()[static_cast<std::size_t>(g)];
      const double uniform = 0.5 * std::erfc(-static_cast<double>(draw[dims + g]) / std::sqrt(2.0));
      code[column +
           std::min(classes - 1, static_cast<std::int64_t>(uniform * static_cast<double>(classes)))] = 1;
      column += classes;
    }
  }
  return make_tiles(decoder(codes), decoder.model().image(), shades);
}

}  // namespace cuelbo
