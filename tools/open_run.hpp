// What the commands that take a run directory have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "models/run_data.hpp"
#include "models/run_directory.hpp"

namespace cuelbo {

// --device and --threads
void add_device_options(CLI::App& command, DeviceOptions& device);

// Says which device runs the command.
void note_device(const Device& device);

struct RunOptions {
  std::string directory;
  DeviceOptions device;
  bool accept_changes = false;
};
// DIR, --device, --threads and --accept-changes
void add_run_options(CLI::App& command, RunOptions& options);

// A run with its best model; notes the device.
struct OpenRun {
  RunDirectory directory;
  LoadedModel loaded;
  bool accept_changes = false;
};
// Error when config.toml is not the one that the checkpoint was trained with, unless that is accepted.
OpenRun open_run(const RunOptions& options);

// --accept-changes
void add_accept_changes(CLI::App& command, bool& accept_changes);

// The data that a run was trained on. Error when its images are not those that the model takes, or when they are not
// those that it was trained on, unless that is accepted.
RunData open_run_data(const OpenRun& run);

// What the reader of the data set chose, ignored or converted.
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
