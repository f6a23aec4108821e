#include "models/decoder.hpp"

#include <algorithm>

#include "engine/error.hpp"
#include "models/latent_names.hpp"

namespace cuelbo {

namespace {

const Codes::Discrete& discrete_group(const Codes& codes, const std::string& name, std::int64_t classes) {
  for (const Codes::Discrete& group : codes.discrete) {
    if (group.name != name) continue;
    if (group.classes != classes)
      fail("the codes have {} classes in group '{}', the model has {}", group.classes, name, classes);
    return group;
  }
  fail("the codes have no logits_{}: the model has a discrete group of that name", name);
}

}  // namespace

std::vector<float> model_codes(const Codes& codes, const GroupTree& tree, CodeValue value) {
  const std::int64_t dims = std::ssize(tree.dims()), width = dims + tree.total_classes();
  if (codes.dims != dims) fail("the codes have {} Gaussian dimensions, the model has {}", codes.dims, dims);
  if (codes.discrete.size() != tree.classes().size())
    fail("the codes have {} discrete groups, the model has {}", codes.discrete.size(), tree.classes().size());
  const std::vector<std::string> names = column_names(tree);
  for (std::size_t d = 0; d < codes.names.size(); ++d)
    if (codes.names[d] != names[d])
      fail("column {} of the codes is '{}', that of the model is '{}': the codes are of another model", d,
           codes.names[d], names[d]);
  std::vector<float> result(static_cast<std::size_t>(codes.items * width), 0.0F);

  const std::vector<float>& gaussian = value == CodeValue::sample ? codes.z : codes.mean;
  for (std::int64_t item = 0; item < codes.items; ++item)
    for (std::int64_t d = 0; d < dims; ++d)
      result[static_cast<std::size_t>(item * width + d)] =
          gaussian[static_cast<std::size_t>(item * dims + tree.dims()[static_cast<std::size_t>(d)])];

  std::int64_t column = dims;
  for (std::size_t g = 0; g < tree.classes().size(); ++g) {
    const std::int64_t classes = tree.classes()[g];
    const Codes::Discrete& group = discrete_group(codes, tree.discrete_names()[g], classes);
    for (std::int64_t item = 0; item < codes.items; ++item) {
      float* row = result.data() + item * width + column;
      if (value == CodeValue::sample && !group.z.empty()) {
        std::copy_n(group.z.begin() + item * classes, classes, row);
      } else {
        const auto logits = group.logits.begin() + item * classes;
        row[std::max_element(logits, logits + classes) - logits] = 1;
      }
    }
    column += classes;
  }
  return result;
}

Decoder::Decoder(LoadedModel& loaded)
    : model_(loaded.model.get()),
      program_(*loaded.device, *loaded.parameters, *loaded.model, batch_size, /*with_likelihood=*/false,
               /*constant_parameters=*/true) {}

std::vector<float> Decoder::operator()(std::span<const float> codes) {
  const std::int64_t width = model_->code_size(), size = model_->image().size(),
                     count = std::ssize(codes) / width;
  std::vector<float> images(static_cast<std::size_t>(count * size));
  std::vector<float> batch(static_cast<std::size_t>(batch_size * width));
  for (std::int64_t begin = 0; begin < count; begin += batch_size) {
    const std::int64_t n = std::min(batch_size, count - begin);
    std::copy_n(codes.begin() + begin * width, n * width, batch.begin());
    program_.program.write(program_.code, batch);
    program_.program.replay();
    const std::vector<float> pictures = program_.program.read(program_.picture);
    std::copy_n(pictures.begin(), n * size, images.begin() + begin * size);
  }
  return images;
}

}  // namespace cuelbo
