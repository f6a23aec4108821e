#include "tools/open_run.hpp"

#include <map>
#include <string>

#include "engine/error.hpp"

namespace cuelbo {

void add_device_options(CLI::App& command, DeviceOptions& device) {
  command.add_option("--device", device.name, "auto, cpu, cuda, cuda:N, simt or simt-checked")
      ->capture_default_str();
  command.add_option("--threads", device.threads, "CPU threads, 0 for all; results do not depend on it")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option(
          "--precision", device.precision,
          "Of the factors of products, fp32 or bf16 (on the CPU); default: what the run was trained with")
      ->transform(CLI::CheckedTransformer(std::map<std::string, kernels::Precision>{
          {"fp32", kernels::Precision::fp32}, {"bf16", kernels::Precision::bf16}}));
}

void print_device(const Device& device) { fmt::print("device: {}\n", device.description()); }

void add_run_options(CLI::App& command, RunOptions& options) {
  command.add_option("DIR", options.directory, "Run directory, as `cuelbo train` made it")->required();
  add_device_options(command, options.device);
}

OpenRun open_run(const RunOptions& options) {
  RunDirectory directory = RunDirectory::open(options.directory);
  LoadedModel loaded = load_model(directory, options.device);
  print_device(*loaded.device);
  return {.directory = std::move(directory), .loaded = std::move(loaded)};
}

RunData open_run_data(const OpenRun& run) {
  const RunConfig& config = run.directory.config();
  std::shared_ptr<const Dataset> dataset = open_dataset(config.data);
  check_image_shape(*dataset, *run.loaded.model, fmt::format("data set '{}'", dataset->name()));
  Split split = make_split(*dataset, config.data, config.seed);
  return {.dataset = std::move(dataset), .split = std::move(split)};
}

void check_image_shape(const Dataset& dataset, const Hfvae& model, const std::string& source) {
  const ImageShape shape = model.image();
  if (dataset.height() == shape.height && dataset.width() == shape.width &&
      dataset.channels() == shape.channels)
    return;
  fail("{}: images are {}x{}x{} (height, width, channels), the model takes {}x{}x{}", source,
       dataset.height(), dataset.width(), dataset.channels(), shape.height, shape.width, shape.channels);
}

}  // namespace cuelbo
