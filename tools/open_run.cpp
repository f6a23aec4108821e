#include "tools/open_run.hpp"

#include <string>

#include "engine/error.hpp"
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
               "Of matrix products and convolutions, bf16 on the CPU only; default: that of the run"),
           {"fp32", "bf16"});
}

void note_device(const Device& device) { note("device: {}", device.description()); }

void add_run_options(CLI::App& command, RunOptions& options) {
  command.add_option("DIR", options.directory, "Run directory, as `cuelbo train` made it")->required();
  add_device_options(command, options.device);
}

OpenRun open_run(const RunOptions& options) {
  RunDirectory directory = RunDirectory::open(options.directory);
  LoadedModel loaded = load_model(directory, options.device);
  note_device(*loaded.device);
  return {.directory = std::move(directory), .loaded = std::move(loaded)};
}

RunData open_run_data(const OpenRun& run) {
  const RunConfig& config = run.directory.config();
  std::shared_ptr<const Dataset> dataset = open_dataset(config.data);
  print_notes(*dataset);
  check_image_shape(*dataset, *run.loaded.model, fmt::format("data set '{}'", dataset->name()));
  Split split = make_split(*dataset, config.data, config.seed);
  return {.dataset = std::move(dataset), .split = std::move(split)};
}

void print_notes(const Dataset& dataset) {
  for (const std::string& text : dataset.info().notes) note("note: {}", text);
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
