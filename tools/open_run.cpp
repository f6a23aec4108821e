#include "tools/open_run.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "models/data/describe.hpp"
#include "models/model_file.hpp"
#include "tools/check_changes.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"

namespace cuelbo {

void add_device_options(CLI::App& command, DeviceOptions& device) {
  command.add_option("--device", device.name, "auto, cpu, cuda, cuda:N, simt or simt-checked")
      ->capture_default_str();
  add_threads_option(command, device.threads);
  limit_to(command.add_option_function<std::string>(
               "--precision",
               [&device](const std::string& name) {
                 device.precision = name == "bf16" ? kernels::Precision::bf16 : kernels::Precision::fp32;
               },
               "Of matrix products and convolutions; bf16 on the CPU only; default: that of the run"),
           {"fp32", "bf16"});
}

void note_device(const Device& device) { note("device: {}", device.description()); }

void add_run_options(CLI::App& command, RunOptions& options) {
  command
      .add_option("DIR", options.directory,
                  "Run directory of `cuelbo train`, or a model file of `cuelbo export`")
      ->required();
  add_device_options(command, options.device);
  add_accept_changes(command, options.accept_changes);
}

void add_accept_changes(CLI::App& command, bool& accept_changes) {
  command.add_flag("--accept-changes", accept_changes,
                   "Continue even if config.toml or the data was changed after training");
}

namespace {

OpenRun open_model(const RunOptions& options) {
  try {
    LoadedModel loaded = load_model_file(options.directory, options.device);
    note_device(*loaded.device);
    return {.directory = std::nullopt, .loaded = std::move(loaded)};
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    const bool named_as_model = std::filesystem::path(options.directory).extension() == ".safetensors";
    throw Error((named_as_model ? error.what()
                                : fmt::format("'{}' is neither a run directory nor an exported model",
                                              options.directory)) +
                run_nearby(options.directory));
  }
}

}  // namespace

OpenRun open_run(const RunOptions& options) {
  std::error_code error;
  const auto status = std::filesystem::status(options.directory, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) return open_model(options);
  RunDirectory directory = RunDirectory::open(options.directory);
  LoadedModel loaded = load_model(directory, options.device);
  check_config(directory, loaded.fingerprint, options.accept_changes);
  if (directory.lacks_best(loaded.state))
    note("note: '{}' is missing: the newest checkpoint, of step {}, is used", directory.best_file(),
         loaded.state.step);
  note_device(*loaded.device);
  return {.directory = std::move(directory),
          .loaded = std::move(loaded),
          .accept_changes = options.accept_changes};
}

void refuse_inputs(const OutputFile& output, const OpenRun& run) {
  if (run.directory)
    output.refuse_inputs_of(*run.directory);
  else
    output.refuse_input(run.loaded.checkpoint);
}

const RunDirectory& directory_of(const OpenRun& run, const char* wanted) {
  if (!run.directory)
    fail("'{}' is an exported model; {} in the directory of its run, which is needed here",
         run.loaded.checkpoint, wanted);
  return *run.directory;
}

RunData open_run_data(const OpenRun& run) {
  if (!run.directory)
    fail("'{}' is an exported model, which has no data of its own: --data PATH names some",
         run.loaded.checkpoint);
  RunConfig config = run.directory->config();
  config.data.shape = run.loaded.model->image();
  if (config.data.scale && run.loaded.stored) config.data.scale_of = dtype_name(*run.loaded.stored);
  RunData data = open_run_data(config, run.directory->file("config.toml"));
  check_data(*run.directory, run.loaded.fingerprint, *data.dataset, run.accept_changes);
  check_image_shape(*data.dataset, *run.loaded.model, fmt::format("data set '{}'", data.dataset->name()));
  print_notes(*data.dataset);
  return data;
}

namespace {

// Whether data.array of the run means something in another file, such as a copy. Pipes are read once, so not here.
bool holds_array(const DataConfig& input, const DataConfig& trained) {
  std::error_code error;
  if (std::filesystem::equivalent(input.path, trained.path, error)) return true;
  if (input.name != "npy" || trained.name != "npy" || !std::filesystem::is_regular_file(input.path, error))
    return false;
  try {
    return NpzReader(input.path).contains(trained.array);
  } catch (const Error&) {  // a single array; what is wrong with the file is said when it is read
    return false;
  }
}

// The configuration for reading images at `input`: that of the run, as far as it makes sense for another file.
DataConfig input_config(const DataConfig& trained, const DataConfig& input) {
  const auto is_idx = [](const std::string& name) {
    return name == "idx" || name == "mnist" || name == "fashion-mnist";
  };
  const bool same_format = input.name == trained.name || (is_idx(input.name) && is_idx(trained.name));
  DataConfig config = trained;
  config.name = input.name;
  config.path = input.path;
  config.where.clear();
  config.scale.reset();
  config.scale_of = DataConfig{}.scale_of;
  if (!same_format) {
    config.layout = Layout::automatic;
    config.transpose = false;
  }
  if (!config.array.empty() && !holds_array(input, trained)) config.array.clear();
  return config;
}

}  // namespace

std::shared_ptr<const Dataset> open_input(const OpenRun& run, const std::string& name_or_path,
                                          const std::vector<std::string>& settings) {
  for (const std::string& setting : settings)
    if (!setting.starts_with("data."))
      usage_fail("--set {}: only the keys of [data] apply to these images", setting);
    else if (setting.starts_with("data.path="))
      usage_fail("--set {}: the images are those of '{}'", setting, name_or_path);
  RunConfig config = run.config();
  const DataConfig trained = config.data, input = data_at(name_or_path);
  config.data = input_config(trained, input);
  config = with_settings(config, settings);
  config.data.shape = run.loaded.model->image();
  const auto sets_scale = [](const std::string& setting) { return setting.starts_with("data.scale"); };
  if (std::ranges::none_of(settings, sets_scale)) {
    config.data.scale = trained.scale;
    if (run.loaded.stored) config.data.scale_of = dtype_name(*run.loaded.stored);
  }
  std::shared_ptr<const Dataset> dataset = open_dataset(config.data, config.seed);
  const std::string source = input.path.empty() ? input.name : fmt::format("'{}'", input.path);
  in_context(source, [&] { check_pixels(*dataset, config.likelihood); });
  check_image_shape(*dataset, *run.loaded.model, source);
  print_notes(*dataset);
  note("images: {}, {}{}", image_text(*dataset), scale_text(*dataset), binarize_text(config.data.binarize));
  return dataset;
}

RunData open_data(const OpenRun& run, const DataOption& option) {
  if (option.path.empty() && !option.settings.empty())
    usage_fail("--set {}: it says how to read the images of --data, which is missing", option.settings[0]);
  if (option.path.empty()) return open_run_data(run);
  RunData data{.dataset = open_input(run, option.path, option.settings), .split = {}};
  const std::int64_t items = data.dataset->size(), test = data.dataset->info().test_size;
  for (std::int64_t i = test > 0 ? items - test : 0; i < items; ++i) data.split.test.push_back(i);
  return data;
}

void add_data_option(CLI::App& command, DataOption& option) {
  command.add_option(
      "--data", option.path,
      "Images in place of the run's own test split, in any format of training: their test split if they "
      "have one, else all of them");
  add_data_settings(command, option.settings);
}

void add_data_settings(CLI::App& command, std::vector<std::string>& settings) {
  command
      .add_option("--set", settings,
                  "How to read the images, as in --set data.scale=255; default: as the run's own; repeatable")
      ->allow_extra_args(false);
}

void print_notes(const Dataset& dataset) {
  for (const std::string& text : dataset.info().notes) note("note: {}", text);
}

void check_image_shape(const Dataset& dataset, const Hfvae& model, const std::string& source) {
  const ImageShape shape = model.image();
  if (dataset.height() == shape.height && dataset.width() == shape.width &&
      dataset.channels() == shape.channels)
    return;
  throw ChangedError(fmt::format(
      "{}: images are {}x{}x{} (height, width, channels), the model takes {}x{}x{}", source, dataset.height(),
      dataset.width(), dataset.channels(), shape.height, shape.width, shape.channels));
}

}  // namespace cuelbo
