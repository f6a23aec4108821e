#include "models/data/describe.hpp"

namespace cuelbo {

std::string image_text(const Dataset& dataset) {
  return image_text(dataset.size(), dataset.height(), dataset.width(), dataset.channels());
}

std::string image_text(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels) {
  return fmt::format("{} image{} of {}×{} with {} channel{}", count, count == 1 ? "" : "s", height, width,
                     channels, channels == 1 ? "" : "s");
}

namespace {

std::string stored_text(const DatasetInfo& info) {
  if (!info.scale) return "rendered as 0 and 1";
  if (info.stored == Dtype::boolean) return "bool as 0 and 1";
  if (*info.scale == 1) return fmt::format("{} as they are", dtype_name(info.stored));
  return fmt::format("{} divided by {:g}", dtype_name(info.stored), *info.scale);
}

}  // namespace

std::string scale_text(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  if (info.transposed) return stored_text(info) + ", transposed";
  return stored_text(info);
}

std::string binarize_text(Binarize how) {
  return how == Binarize::none ? "" : fmt::format(", binarize {}", to_string(how));
}

std::string range_text(const Dataset& dataset) {
  const auto text = [](float x) { return x < 0 || x > 1 ? fmt::format("{}", x) : fmt::format("{:g}", x); };
  return fmt::format("[{}, {}]", text(dataset.info().lowest), text(dataset.info().highest));
}

}  // namespace cuelbo
