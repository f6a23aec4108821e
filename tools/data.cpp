#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/error.hpp"
#include "models/data/describe.hpp"
#include "models/data/open_dataset.hpp"
#include "models/data/write_npz.hpp"
#include "models/run_data.hpp"
#include "models/run_directory.hpp"
#include "tools/check_changes.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/open_run.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

struct DataOptions {
  std::string source, output, where;
  std::vector<std::string> settings;
  bool describe = false, accept_changes = false;
};

// A run, a config file, a preset, or images without a model.
struct Source {
  RunConfig config;  // without --set and --where
  std::optional<RunDirectory> run = std::nullopt;
  Fingerprint trained = {};  // empty: there is nothing to compare with
};

Source open_source(const DataOptions& options) {
  const std::filesystem::path path = options.source;
  std::error_code error;
  RunConfig config;
  if (std::filesystem::is_regular_file(path / "config.toml", error)) {
    Source source{.config = {}, .run = RunDirectory::open(options.source)};
    source.config = source.run->config();
    if (source.run->has_checkpoint())
      source.trained = source.run->load_checkpoint(RunDirectory::Which::best).info.fingerprint;
    check_config(*source.run, source.trained, options.accept_changes);
    if (const Fingerprint& trained = source.trained; !trained.empty()) {
      source.config.data.shape = ImageShape{trained.height, trained.width, trained.channels};
      if (source.config.data.scale) source.config.data.scale_of = dtype_name(trained.stored);
    }
    return source;
  }
  if (path.extension() == ".toml" ||
      std::ranges::find(presets(), options.source, &Preset::name) != presets().end()) {
    config = load_config(options.source);
  } else {
    for (const std::string& setting : options.settings)
      if (setting.starts_with("data.path="))
        usage_fail("--set {}: the data is '{}'", setting, options.source);
    config = load_config(std::string(presets().front().name));  // for a model, which makes the config whole
    config.seed = RunConfig{}.seed;
    config.data = data_at(options.source);
  }
  return {.config = config};
}

std::shared_ptr<const Dataset> open(const Source& source, const RunConfig& config,
                                    const DataOptions& options) {
  const DataConfig &own = source.config.data, &wanted = config.data;
  const bool same_files = wanted.name == own.name && wanted.path == own.path && wanted.array == own.array;
  const bool is_own = source.run && same_files;
  const std::shared_ptr<const Dataset> dataset =
      is_own ? open_own_data(config, source.run->file("config.toml")) : open_dataset(wanted, config.seed);
  if (is_own) {
    const bool as_trained = options.settings.empty() && options.where.empty();
    check_data(*source.run, source.trained, as_trained ? *dataset : *open_dataset(own, source.config.seed),
               options.accept_changes);
  }
  return dataset;
}

// The number of items with each value, per factor.
std::vector<std::vector<std::int64_t>> value_counts(const Dataset& dataset) {
  std::vector<std::vector<std::int64_t>> counts;
  for (const Factor& factor : dataset.factors()) counts.emplace_back(factor.values.size(), 0);
  std::vector<std::int64_t> indices(counts.size());
  for (std::int64_t item = 0; item < dataset.size(); ++item) {
    dataset.gather_factors({&item, 1}, indices.data());
    for (std::size_t k = 0; k < counts.size(); ++k) ++counts[k][static_cast<std::size_t>(indices[k])];
  }
  return counts;
}

std::string factor_text(const Factor& factor, const std::vector<std::int64_t>& counts) {
  constexpr std::int64_t shown = 12;
  if (factor.size() > shown)
    return fmt::format("{} values from {:.4g} to {:.4g}", factor.size(), factor.values.front(),
                       factor.values.back());
  std::vector<std::string> values;
  for (std::size_t i = 0; i < factor.values.size(); ++i)
    values.push_back(fmt::format(
        "{} ({})", i < factor.labels.size() ? factor.labels[i] : fmt::format("{:.4g}", factor.values[i]),
        counts[i]));
  return fmt::format("{}", fmt::join(values, ", "));
}

void describe(const Dataset& dataset, const RunConfig& config) {
  const DatasetInfo& info = dataset.info();
  const Split split = make_split(dataset, config.data, config.seed);
  const auto counts = value_counts(dataset);
  const std::string checksum = fmt::format("{:08x}", dataset.checksum());
  if (json_wanted()) {
    std::vector<Fields> factors;
    for (std::size_t k = 0; k < counts.size(); ++k)
      factors.push_back({{"name", dataset.factors()[k].name},
                         {"values", dataset.factors()[k].values},
                         {"labels", dataset.factors()[k].labels},
                         {"counts", counts[k]}});
    return print_json(Fields{{"name", dataset.name()},
                             {"items", dataset.size()},
                             {"height", dataset.height()},
                             {"width", dataset.width()},
                             {"channels", dataset.channels()},
                             {"stored", std::string(dtype_name(info.stored))},
                             {"scale", info.scale.value_or(1)},
                             {"lowest", static_cast<double>(info.lowest)},
                             {"highest", static_cast<double>(info.highest)},
                             {"binarize", to_string(config.data.binarize)},
                             {"factors", factors},
                             {"train_items", std::ssize(split.train)},
                             {"validation_items", std::ssize(split.validation)},
                             {"test_items", std::ssize(split.test)},
                             {"seed", static_cast<std::int64_t>(config.seed)},
                             {"checksum", checksum}});
  }
  const auto row = [](const std::string& name, const std::string& value) {
    fmt::print("{:<12}{}\n", name, value);
  };
  row("name", dataset.name());
  row("images", image_text(dataset));
  row("pixels", fmt::format("{}, in {}{}", scale_text(dataset), range_text(dataset),
                            config.data.binarize == Binarize::none ? "" : " before binarization"));
  row("binarize", to_string(config.data.binarize));
  for (std::size_t k = 0; k < counts.size(); ++k)
    row(k == 0 ? "factors" : "",
        fmt::format("{}: {}", dataset.factors()[k].name, factor_text(dataset.factors()[k], counts[k])));
  if (counts.empty()) row("factors", "none");
  row("split", fmt::format("{} to train on, {} to validate, {} to test (seed {}{})", split.train.size(),
                           split.validation.size(), split.test.size(), config.seed,
                           info.test_size > 0 ? "; the test split is the data set's own" : ""));
  row("checksum", checksum);
}

// Beside a description, which is the result then, what was written is a note.
void write(const Dataset& dataset, const RunConfig& config, const DataOptions& options) {
  OutputFile output(options.output, ".npz");
  if (!config.data.path.empty()) output.refuse_input(config.data.path);
  output.check_writable();
  write_npz(output.path(), dataset);
  output.finish();
  const std::string text = fmt::format("{}, {} factors", image_text(dataset), dataset.factors().size());
  if (options.describe)
    note("{}: {}", options.output, text);
  else
    output.report(text, {{"items", dataset.size()},
                         {"height", dataset.height()},
                         {"width", dataset.width()},
                         {"channels", dataset.channels()},
                         {"factors", std::ssize(dataset.factors())}});
}

int run_data(const DataOptions& options) {
  if (options.output.empty() && !options.describe) usage_fail("data: give -o FILE.npz, --describe, or both");
  if (options.describe && options.output == "-")
    usage_fail("data: --describe needs standard output: give -o FILE.npz");
  const Source source = open_source(options);
  std::vector<std::string> settings = options.settings;
  if (!options.where.empty()) settings.push_back("data.where=" + options.where);
  RunConfig config = with_settings(source.config, settings);
  config.data.shape = source.config.data.shape;
  const std::shared_ptr<const Dataset> dataset = open(source, config, options);
  print_notes(*dataset);
  if (options.describe) describe(*dataset, config);
  if (!options.output.empty()) write(*dataset, config, options);
  return exit_done;
}

}  // namespace

void add_data(CLI::App& app, Run& run) {
  add_command<DataOptions>(
      app, run, "data", "Write or describe a data set exactly as a model sees it",
      [](CLI::App& command, DataOptions& options) {
        command
            .add_option(
                "SOURCE", options.source,
                "A data set's name (dsprites, fashion-mnist), a file or folder of images, a config file, a "
                "preset, or a run directory")
            ->required();
        command.add_option("-o,--output", options.output,
                           "The .npz to write: images, and factors with their names; - for standard output");
        command.add_flag("--describe", options.describe,
                         "Print count, shape, scale, range, factors, split and checksum");
        command.add_option("--where", options.where,
                           "Selection by factors, as in shape=heart|square,scale>0.6");
        add_data_settings(command, options.settings);
        add_accept_changes(command, options.accept_changes);
      },
      run_data);
}

}  // namespace cuelbo
