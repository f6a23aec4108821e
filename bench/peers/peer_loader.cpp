#include <numeric>

#include "bench/peers/modes.hpp"
#include "bench/peers/serve.hpp"
#include "models/data/loader.hpp"
#include "models/data/open_dataset.hpp"

namespace cuelbo {

void peer_loader(const std::string& name, const std::string& path, const std::string& result_path,
                 int batch_size) {
  const std::shared_ptr<const Dataset> dataset = open_dataset({.name = name, .path = path});
  std::vector<std::int64_t> items(static_cast<std::size_t>(dataset->size()));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  Loader loader(dataset, items, {.batch_size = batch_size});

  const Batch& first = loader.next();
  Result result;
  result.add("items", {first.size()}, std::vector<std::int64_t>(first.items.begin(), first.items.end()));
  result.add("images", {first.size(), dataset->height(), dataset->width(), dataset->channels()},
             std::vector<float>(first.images, first.images + first.size() * dataset->item_size()));
  result.write(result_path);
  answer({{"dataset_size", dataset->size()}});
  serve([&] { loader.next(); });
}

}  // namespace cuelbo
