// A run on disk: config.toml, log.jsonl, events.out.tfevents.*, checkpoint/, evaluation.json, pictures, report.html.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/parameters.hpp"
#include "models/checkpoint.hpp"
#include "models/config.hpp"
#include "models/hfvae.hpp"

namespace cuelbo {

class RunDirectory {
 public:
  // Creates the directory and writes config.toml. Error when it holds checkpoints of a run already, or cannot be written;
  // a run that ended before its first checkpoint may be begun anew.
  static RunDirectory create(const std::string& path, const RunConfig& config);
  // Opens an existing run. Error naming what is missing or broken.
  static RunDirectory open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const;
  const RunConfig& config() const { return config_; }

  // checkpoint/step-00001000.safetensors (models/checkpoint.hpp); the newest two stay. With `best`, which is written first
  // so that no crash can leave a newest checkpoint without its best one, checkpoint/best.safetensors too.
  void save_checkpoint(ParameterSet& parameters, const CheckpointInfo& info, bool best) const;

  enum class Which { newest, best };  // best falls to newest when nothing has been validated yet
  bool has_checkpoint() const { return !checkpoints().empty(); }
  std::string checkpoint_file(Which which) const;  // "checkpoint/best.safetensors"; Error when there is none
  // A newest checkpoint that is truncated or damaged is an Error that names it and the next older one.
  Checkpoint load_checkpoint(Which which) const;

 private:
  RunDirectory(std::string path, RunConfig config) : path_(std::move(path)), config_(std::move(config)) {}
  std::vector<std::string> checkpoints() const;  // file names, newest first, best left out

  std::string path_;
  RunConfig config_;
};

struct LoadedModel {
  std::unique_ptr<Device> device;
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<Hfvae> model;
  TrainingState state;
  std::string checkpoint;  // "checkpoint/best.safetensors"
};
// Opens the run's model with its best checkpoint. The image shape stands in the checkpoint's metadata, so no data is needed.
LoadedModel load_model(const RunDirectory& run, const DeviceOptions& options);

// The name of a device's arithmetic: runs of the same name agree to the bit.
std::string arithmetic_name(const Device& device);

}  // namespace cuelbo
