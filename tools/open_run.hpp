// Shared by the commands that take a trained model.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "models/run_data.hpp"
#include "models/run_directory.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

// --device and --threads
void add_device_options(CLI::App& command, DeviceOptions& device);

// Says which device runs the command.
void note_device(const Device& device);

struct RunOptions {
  std::string directory;  // or an exported model
  DeviceOptions device;
  bool accept_changes = false;
};
// DIR, --device, --threads and --accept-changes
void add_run_options(CLI::App& command, RunOptions& options);

// A run with its best model, or an exported model; notes the device.
struct OpenRun {
  std::optional<RunDirectory> directory;  // none: an exported model
  LoadedModel loaded;
  bool accept_changes = false;

  const RunConfig& config() const { return loaded.model->config(); }
};
// Error when config.toml is not the one that the checkpoint was trained with, unless that is accepted.
OpenRun open_run(const RunOptions& options);

// UsageError if the output is the exported model, or what OutputFile::refuse_inputs_of refuses of a run.
void refuse_inputs(const OutputFile& output, const OpenRun& run);

// Error that an exported model has none; `wanted` is what the directory is for: "its log".
const RunDirectory& directory_of(const OpenRun& run, const char* wanted);

// --accept-changes
void add_accept_changes(CLI::App& command, bool& accept_changes);

// The data that a run was trained on. Error when its images are not those that the model takes, or when they are not
// those that it was trained on, unless that is accepted.
RunData open_run_data(const OpenRun& run);

// Data in place of the run's own, as open_input, or the run's own if the path is empty. All images are for the test,
// unless the data set comes with a test split.
struct DataOption {
  std::string path;
  std::vector<std::string> settings;
};
RunData open_data(const OpenRun& run, const DataOption& option);

// --data, and --set, for open_data
void add_data_option(CLI::App& command, DataOption& option);

// Prints what the reader of the data set chose, ignored or converted.
void print_notes(const Dataset& dataset);
// Images that are not the run's own, as its model sees them: with the run's scale, layout and binarization, unless
// `settings` ("data.scale=255") say otherwise. What was taken is printed. Error as open_run_data.
std::shared_ptr<const Dataset> open_input(const OpenRun& run, const std::string& name_or_path,
                                          const std::vector<std::string>& settings);

// --set for open_input
void add_data_settings(CLI::App& command, std::vector<std::string>& settings);

// Error unless the data set has images of the model's shape; `source` names it.
void check_image_shape(const Dataset& dataset, const Hfvae& model, const std::string& source);

}  // namespace cuelbo
