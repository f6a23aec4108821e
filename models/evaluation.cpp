#include "models/evaluation.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "kernels/runtime/floating_point.hpp"
#include "kernels/runtime/philox.hpp"
#include "models/checkpoint.hpp"
#include "models/data/random.hpp"
#include "models/decoder.hpp"
#include "models/programs.hpp"
#include "models/random_values.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t decode_batch = 256;
constexpr double active_variance = 0.01;  // Burda et al. 2016

// log p(x|z) of many (image, code) pairs, batch by batch.
class LikelihoodDecoder {
 public:
  LikelihoodDecoder(LoadedModel& loaded, const Dataset& dataset)
      : decoder_(*loaded.device, *loaded.parameters, *loaded.model, decode_batch, /*with_likelihood=*/true,
                 /*constant_parameters=*/true),
        dataset_(dataset),
        code_size_(static_cast<std::size_t>(loaded.model->code_size())),
        images_(static_cast<std::size_t>(decode_batch * dataset.item_size())),
        codes_(static_cast<std::size_t>(decode_batch) * code_size_) {}

  // codes (items, code_size)
  std::vector<double> run(std::span<const std::int64_t> items, std::span<const float> codes) {
    std::vector<double> result;
    for (std::size_t begin = 0; begin < items.size(); begin += decode_batch) {
      const std::size_t n = std::min<std::size_t>(decode_batch, items.size() - begin);
      dataset_.gather(items.subspan(begin, n), images_.data());
      std::copy_n(codes.begin() + static_cast<std::ptrdiff_t>(begin * code_size_), n * code_size_,
                  codes_.begin());
      decoder_.program.write(decoder_.images, images_);
      decoder_.program.write(decoder_.code, codes_);
      decoder_.program.replay();
      const std::vector<float> values = decoder_.program.read(decoder_.log_likelihood);
      result.insert(result.end(), values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
    }
    return result;
  }

 private:
  DecodeProgram decoder_;
  const Dataset& dataset_;
  std::size_t code_size_;
  std::vector<float> images_, codes_;
};

double log_sum_exp(const std::vector<double>& values) {
  const double top = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double v : values) sum += std::exp(v - top);
  return top + std::log(sum);
}

// A sample of q(z, c|x) with hard classes, written to `code`; returns log p(z, c) − log q(z, c|x).
double sample_hard(const Codes& codes, std::int64_t item, const float* normal, std::uint64_t seed,
                   std::uint32_t sample, float* code) {
  double log_weight = 0;
  for (std::int64_t d = 0; d < codes.dims; ++d) {
    const auto at = static_cast<std::size_t>(item * codes.dims + d);
    const double epsilon = normal[d], logvar = codes.logvar[at];
    const double z = codes.mean[at] + std::exp(logvar / 2) * epsilon;
    log_weight += 0.5 * (epsilon * epsilon + logvar - z * z);
    *code++ = static_cast<float>(z);
  }
  std::uint32_t number = 0;
  for (const Codes::Discrete& group : codes.discrete) {
    const float* logits = group.logits.data() + item * group.classes;
    const std::vector<double> values(logits, logits + group.classes);
    const double total = log_sum_exp(values);
    const auto words = kernels::philox4x32_10(
        {static_cast<std::uint32_t>(item), sample, number++, 0x636c6173}, kernels::philox_key(seed));
    double left = kernels::uniform_open(words.x);
    std::int64_t chosen = 0;
    for (; chosen < group.classes - 1; ++chosen) {
      left -= std::exp(values[static_cast<std::size_t>(chosen)] - total);
      if (left < 0) break;
    }
    log_weight -=
        std::log(static_cast<double>(group.classes)) + values[static_cast<std::size_t>(chosen)] - total;
    std::fill_n(code, group.classes, 0.0F);
    code[chosen] = 1;
    code += group.classes;
  }
  return log_weight;
}

// Mean over the items at these places of log 1/S Σ_s p(x, z_s, c_s) / q(z_s, c_s|x).
double importance_bound(LikelihoodDecoder& decoder, const Codes& codes, std::span<const std::int64_t> items,
                        std::span<const std::int64_t> places, std::int64_t samples, std::uint64_t seed) {
  std::int64_t width = codes.dims;
  for (const Codes::Discrete& group : codes.discrete) width += group.classes;
  double total = 0;
  for (const std::int64_t i : places) {
    const std::vector<float> normal =
        standard_normal(seed + static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15, samples * codes.dims);
    std::vector<float> code(static_cast<std::size_t>(samples * width));
    std::vector<double> weights;
    for (std::int64_t s = 0; s < samples; ++s)
      weights.push_back(sample_hard(codes, i, normal.data() + s * codes.dims, seed,
                                    static_cast<std::uint32_t>(s), code.data() + s * width));
    const std::vector<std::int64_t> repeated(static_cast<std::size_t>(samples),
                                             items[static_cast<std::size_t>(i)]);
    const std::vector<double> likelihoods = decoder.run(repeated, code);
    for (std::size_t s = 0; s < weights.size(); ++s) weights[s] += likelihoods[s];
    total += log_sum_exp(weights) - std::log(static_cast<double>(samples));
  }
  return total / static_cast<double>(places.size());
}

std::vector<double> variances(const Codes& codes) {
  std::vector<double> result;
  for (std::int64_t d = 0; d < codes.dims; ++d) {
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < codes.items; ++i)
      sum += codes.mean[static_cast<std::size_t>(i * codes.dims + d)];
    const double mean = sum / static_cast<double>(codes.items);
    for (std::int64_t i = 0; i < codes.items; ++i) {
      const double x = codes.mean[static_cast<std::size_t>(i * codes.dims + d)] - mean;
      squares += x * x;
    }
    result.push_back(squares / static_cast<double>(codes.items));
  }
  return result;
}

}  // namespace

Evaluation evaluate(LoadedModel& loaded, const Dataset& dataset, std::span<const std::int64_t> items,
                    const EvaluationOptions& options) {
  const kernels::DefaultFloatingPoint mode;
  const std::uint64_t seed = loaded.model->config().seed;
  std::vector<std::int64_t> some;
  if (options.max_items > 0 && std::ssize(items) > options.max_items) {
    for (const std::int64_t place : draw_places(std::ssize(items), options.max_items, seed))
      some.push_back(items[static_cast<std::size_t>(place)]);
    items = some;
  }
  if (items.size() < 2) fail("evaluation needs at least 2 items in the test split, got {}", items.size());
  const Codes codes = encode(*loaded.device, *loaded.parameters, *loaded.model, dataset, items, seed);

  Evaluation result{.items = codes.items,
                    .step = loaded.state.step,
                    .dataset = dataset.name(),
                    .checkpoint = loaded.checkpoint,
                    .weights_crc32 = weights_checksum(*loaded.parameters),
                    .binarize = dataset.info().binarize};
  LikelihoodDecoder decoder(loaded, dataset);
  for (const double value : decoder.run(items, model_codes(codes, loaded.model->tree(), CodeValue::sample)))
    result.log_likelihood += value;
  result.log_likelihood /= static_cast<double>(codes.items);
  result.decomposition =
      decompose(*loaded.device, codes, loaded.model->tree(),
                {.estimator = Estimator::exact, .dataset_size = codes.items, .seed = seed});
  result.elbo = result.log_likelihood - result.decomposition.summary().kl();

  result.importance_items = std::min(options.importance_items, codes.items);
  result.importance_samples = options.importance_samples;
  if (result.importance_items > 0 && result.importance_samples > 0)
    result.importance_bound =
        importance_bound(decoder, codes, items, draw_places(codes.items, result.importance_items, seed),
                         result.importance_samples, seed);
  result.mean_variance = variances(codes);
  result.active_units = std::count_if(result.mean_variance.begin(), result.mean_variance.end(),
                                      [](double v) { return v > active_variance; });
  return result;
}

nlohmann::json to_json(const Evaluation& e, const GroupTree& tree) {
  using nlohmann::json;
  const TermSummary summary = e.decomposition.summary();
  json terms = json::array(), dimensions = json::array();
  for (std::size_t t = 0; t < e.decomposition.terms.size(); ++t) {
    const ObjectiveTerm& term = e.decomposition.terms[t];
    const double value = e.decomposition.values[t];
    terms.push_back({{"name", term.name}, {"value", value}});
    if (term.kind != ObjectiveTerm::Kind::dimension_kl) continue;
    if (term.dim < 0) {
      const std::string& group = tree.nodes()[static_cast<std::size_t>(term.node)].name;
      dimensions.push_back({{"name", group}, {"group", group}, {"discrete", true}, {"kl", value}});
      continue;
    }
    const auto holds = [&](const GroupNode& n) {
      return n.is_leaf() && n.block.dim_begin <= term.dim && term.dim < n.block.dim_end;
    };
    const auto group = std::find_if(tree.nodes().begin(), tree.nodes().end(), holds);
    const std::int64_t column = tree.dims()[static_cast<std::size_t>(term.dim)];
    const double variance = e.mean_variance[static_cast<std::size_t>(column)];
    dimensions.push_back({{"name", std::to_string(column)},
                          {"dim", column},
                          {"group", group->name},
                          {"discrete", false},
                          {"kl", value},
                          {"mean_variance", variance},
                          {"active", variance > active_variance}});
  }
  return {{"elbo", e.elbo},
          {"log_likelihood", e.log_likelihood},
          {"kl", summary.kl()},
          {"terms",
           {{"mutual_information", summary.mutual_information},
            {"between_group_tc", summary.between_group_tc},
            {"within_group_tc", summary.within_group_tc},
            {"dimension_kl", summary.dimension_kl}}},
          {"term_list", terms},
          {"dimensions", dimensions},
          {"metrics",
           {{"active_units", e.active_units},
            {"importance_bound", e.importance_bound},
            {"importance_items", e.importance_items},
            {"importance_samples", e.importance_samples}}},
          {"estimator", to_string(e.decomposition.estimator)},
          {"discrete", "categorical"},
          {"decoding", "relaxed"},
          {"items", e.items},
          {"rows", e.decomposition.rows},
          {"columns", e.decomposition.columns},
          {"dataset_size", e.decomposition.dataset_size},
          {"dataset", e.dataset},
          {"binarize", to_string(e.binarize)},
          {"checkpoint", e.checkpoint},
          {"step", e.step},
          {"weights_crc32", e.weights_crc32}};
}

}  // namespace cuelbo
