#include "tools/gallery.hpp"

#include <algorithm>
#include <span>

#include "engine/error.hpp"
#include "models/data/random.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t coded_items = 1000, shown_items = 24, shown_samples = 48;

std::vector<float> images_of(const Dataset& dataset, std::span<const std::int64_t> items) {
  std::vector<float> images(items.size() * static_cast<std::size_t>(dataset.item_size()));
  dataset.gather(items, images.data());
  return images;
}

std::vector<std::int64_t> at_places(std::span<const std::int64_t> items,
                                    std::span<const std::int64_t> places) {
  std::vector<std::int64_t> chosen;
  for (const std::int64_t place : places) chosen.push_back(items[static_cast<std::size_t>(place)]);
  return chosen;
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
  const bool has_test = !data.split.test.empty();
  const char* const split = has_test ? "test" : "training";
  if (!has_test) note("there is no test split: the images are those of training");
  const std::span<const std::int64_t> all = has_test ? data.split.test : data.split.train;
  if (item < 0 || item >= std::ssize(all))
    usage_fail("item {} of the {} split: it has {} items, from 0", item, split, all.size());
  const std::vector<std::int64_t> coded = draw_places(std::ssize(all), coded_items, seed);
  std::vector<std::int64_t> items = at_places(all, coded);
  const auto found = std::find(coded.begin(), coded.end(), item);
  const auto start = static_cast<std::size_t>(found - coded.begin());
  if (found == coded.end()) items.push_back(all[static_cast<std::size_t>(item)]);

  const Codes codes = encode(*loaded.device, *loaded.parameters, model, *data.dataset, items, seed);
  const std::vector<float> means = model_codes(codes, model.tree(), CodeValue::mean);
  const auto width = static_cast<std::size_t>(model.code_size());
  const auto code = std::span(means).subspan(start * width, width);
  const std::vector<std::int64_t> shown = draw_places(std::ssize(coded), shown_items, seed);
  std::vector<float> shown_codes;
  for (const std::int64_t place : shown) {
    const auto from = std::span(means).subspan(static_cast<std::size_t>(place) * width, width);
    shown_codes.insert(shown_codes.end(), from.begin(), from.end());
  }

  Decoder decoder(loaded);
  Gallery gallery{.split = split, .coded_items = codes.items, .axes = latent_axes(codes, model.tree())};
  const std::vector<float> inputs = images_of(*data.dataset, at_places(items, shown));
  const Shades shades = shades_of(inputs);
  say_how_shown(shades, model.image());
  gallery.inputs = make_tiles(inputs, model.image(), shades);
  gallery.reconstructions = make_tiles(decoder(shown_codes), model.image(), shades);
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
