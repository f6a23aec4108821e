#include "models/codes.hpp"

#include <algorithm>

#include "engine/error.hpp"
#include "kernels/runtime/floating_point.hpp"
#include "models/latent_names.hpp"
#include "models/programs.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t encode_batch =
    256;  // part of the result: a sample's noise depends on its row in the batch

// Steps of evaluation are far from those of training, so that they draw other noise from the same seed.
constexpr std::uint64_t evaluation_step = std::uint64_t{1} << 62;

// Columns [begin, begin + count) of `width`-wide rows.
std::vector<float> columns_of(const std::vector<float>& rows, std::int64_t width, std::int64_t begin,
                              std::int64_t count) {
  std::vector<float> result;
  result.reserve(rows.size() / static_cast<std::size_t>(width) * static_cast<std::size_t>(count));
  for (auto row = rows.begin(); row != rows.end(); row += width)
    result.insert(result.end(), row + begin, row + begin + count);
  return result;
}

}  // namespace

Codes encode(Device& device, ParameterSet& parameters, const Hfvae& model, const Dataset& dataset,
             std::span<const std::int64_t> items, std::uint64_t seed) {
  const kernels::DefaultFloatingPoint mode;
  const std::int64_t count = std::ssize(items), dims = model.gaussian_dims(),
                     classes = model.tree().total_classes();
  if (count == 0) fail("there is nothing to encode");
  EncodeProgram encoder(device, parameters, model, encode_batch, /*constant_parameters=*/true);
  std::vector<float> images(static_cast<std::size_t>(encode_batch * dataset.item_size()));
  Codes codes{
      .items = count, .dims = dims, .mean = {}, .logvar = {}, .z = {}, .names = column_names(model.tree())};
  std::vector<float> logits, relaxed;

  for (std::int64_t begin = 0; begin < count; begin += encode_batch) {
    const std::int64_t n = std::min(encode_batch, count - begin);
    dataset.gather(items.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(n)),
                   images.data());
    encoder.program.write(encoder.images, images);
    encoder.program.set_step(seed, evaluation_step + static_cast<std::uint64_t>(begin / encode_batch));
    encoder.program.replay();
    const auto append = [&](Tensor from, std::vector<float>& to) {
      const std::vector<float> batch = encoder.program.read(from);
      to.insert(to.end(), batch.begin(), batch.begin() + n * from.columns());
    };
    append(encoder.latents.mean, codes.mean);
    append(encoder.latents.logvar, codes.logvar);
    append(encoder.latents.z, codes.z);
    if (classes > 0) {
      append(encoder.latents.logits, logits);
      append(encoder.latents.relaxed, relaxed);
    }
  }
  std::int64_t begin = 0;
  for (std::size_t g = 0; g < model.tree().classes().size(); ++g) {
    const std::int64_t k = model.tree().classes()[g];
    codes.discrete.push_back({.name = model.tree().discrete_names()[g],
                              .classes = k,
                              .logits = columns_of(logits, classes, begin, k),
                              .z = columns_of(relaxed, classes, begin, k)});
    begin += k;
  }
  return codes;
}

}  // namespace cuelbo
