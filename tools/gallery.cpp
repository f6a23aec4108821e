#include "tools/gallery.hpp"

#include <algorithm>
#include <span>

#include "engine/error.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t coded_items = 1000, shown_items = 24, shown_samples = 48;

std::vector<float> images_of(const Dataset& dataset, std::span<const std::int64_t> items) {
  std::vector<float> images(items.size() * static_cast<std::size_t>(dataset.item_size()));
  dataset.gather(items, images.data());
  return images;
}

// Pictures hold less than some images do.
void say_how_shown(Shades shades, ImageShape image) {
  if (shades.black != 0 || shades.white != 1)
    note("pictures: {:.4g} is black, {:.4g} is white", shades.black, shades.white);
  if (image.channels != 1 && image.channels != 3) note("pictures: the first of {} channels", image.channels);
}

std::vector<ClassGrid> class_grids(Decoder& decoder, std::span<const float> code,
                                   const std::vector<LatentAxis>& sorted, Shades shades) {
  std::vector<ClassGrid> grids;
  const auto group =
      std::find_if(sorted.begin(), sorted.end(), [](const LatentAxis& a) { return a.discrete >= 0; });
  if (group == sorted.end()) return grids;
  for (const LatentAxis& axis : sorted) {
    const bool seen = std::any_of(grids.begin(), grids.end(),
                                  [&](const ClassGrid& g) { return g.dim.group == axis.group; });
    if (axis.dim < 0 || seen) continue;
    grids.push_back(
        {.group = *group, .dim = axis, .rows = traverse_classes(decoder, code, *group, axis, shades)});
  }
  return grids;
}

}  // namespace

Gallery make_gallery(OpenRun& run, const RunData& data, std::int64_t item) {
  LoadedModel& loaded = run.loaded;
  const Hfvae& model = *loaded.model;
  const std::uint64_t seed = run.config().seed;
  const std::span<const std::int64_t> all = data.split.test.empty() ? data.split.train : data.split.test;
  if (item < 0 || item >= std::ssize(all))
    usage_fail("item {} of the test split: it has {} items, from 0", item, all.size());
  std::vector<std::int64_t> items(all.begin(),
                                  all.begin() + std::min<std::int64_t>(coded_items, std::ssize(all)));
  const bool coded = item < std::ssize(items);
  if (!coded) items.push_back(all[static_cast<std::size_t>(item)]);
  const auto start = static_cast<std::size_t>(coded ? item : std::ssize(items) - 1);

  const Codes codes = encode(*loaded.device, *loaded.parameters, model, *data.dataset, items, seed);
  const std::vector<float> means = model_codes(codes, model.tree(), CodeValue::mean);
  const auto width = static_cast<std::size_t>(model.code_size());
  const auto code = std::span(means).subspan(start * width, width);
  const std::size_t shown = std::min<std::size_t>(shown_items, items.size());

  Decoder decoder(loaded);
  Gallery gallery{.coded_items = codes.items, .axes = latent_axes(codes, model.tree())};
  const std::vector<float> inputs = images_of(*data.dataset, std::span(items).first(shown));
  const Shades shades = shades_of(inputs);
  say_how_shown(shades, model.image());
  gallery.inputs = make_tiles(inputs, model.image(), shades);
  gallery.reconstructions = make_tiles(decoder(std::span(means).first(shown * width)), model.image(), shades);
  gallery.samples = sample_prior(decoder, shown_samples, seed, shades);
  gallery.start =
      make_tiles(images_of(*data.dataset, std::span(items).subspan(start, 1)), model.image(), shades);
  const std::vector<LatentAxis> sorted = sorted_by_kl(gallery.axes);
  for (const LatentAxis& axis : sorted)
    gallery.traversals.push_back({axis, traverse(decoder, code, axis, shades)});
  gallery.class_grids = class_grids(decoder, code, sorted, shades);
  return gallery;
}

Image traversal_grid(const Gallery& gallery) {
  std::vector<Tiles> rows;
  for (const Traversal& traversal : gallery.traversals) rows.push_back(traversal.tiles);
  for (const ClassGrid& grid : gallery.class_grids) {
    rows.emplace_back();
    rows.insert(rows.end(), grid.rows.begin(), grid.rows.end());
  }
  return arrange(rows);
}

}  // namespace cuelbo
