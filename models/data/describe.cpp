#include "models/data/describe.hpp"

namespace cuelbo {

std::string image_text(const Dataset& dataset) {
  return image_text(dataset.size(), dataset.height(), dataset.width(), dataset.channels());
}

std::string image_text(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return fmt::format("{} image{} of {}×{} with {} channel{}", count, count == 1 ? "" : "s", height, width,
                     channels, channels == 1 ? "" : "s");
}

std::string scale_text(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  if (!info.scale) return "rendered as 0 and 1";
  if (info.stored == Dtype::boolean) return "bool as 0 and 1";
  if (*info.scale == 1) return fmt::format("{} as they are", dtype_name(info.stored));
  return fmt::format("{} divided by {:g}", dtype_name(info.stored), *info.scale);
}

std::string binarize_text(Binarize how) {
  return how == Binarize::none ? "" : fmt::format(", binarize {}", to_string(how));
}

std::string range_text(const Dataset& dataset) {
  return fmt::format("[{:g}, {:g}]", dataset.info().lowest, dataset.info().highest);
}

}  // namespace cuelbo
