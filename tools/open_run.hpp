// What the commands that take a run directory have in common.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "models/data/open_dataset.hpp"
#include "models/run_directory.hpp"

namespace cuelbo {

// --device and --threads
void add_device_options(CLI::App& command, DeviceOptions& device);

// Says which device runs the command.
void note_device(const Device& device);

struct RunOptions {
  std::string directory;
  DeviceOptions device;
};
// DIR, --device and --threads
void add_run_options(CLI::App& command, RunOptions& options);

// A run with its best model; notes the device.
struct OpenRun {
  RunDirectory directory;
  LoadedModel loaded;
};
OpenRun open_run(const RunOptions& options);

// The data that a run was trained on. Error when its images are not those that the model takes.
struct RunData {
  std::shared_ptr<const Dataset> dataset;
  Split split;
};
RunData open_run_data(const OpenRun& run);

// What the reader of the data set chose, ignored or converted.
void print_notes(const Dataset& dataset);

// Error unless the data set has images of the model's shape; `source` names it.
void check_image_shape(const Dataset& dataset, const Hfvae& model, const std::string& source);

}  // namespace cuelbo
