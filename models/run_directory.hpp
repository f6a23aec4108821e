// A run on disk: config.toml, log.jsonl, events.out.tfevents.*.cuelbo, checkpoint/, evaluation.json, pictures, report.html.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/parameters.hpp"
#include "models/checkpoint.hpp"
#include "models/config.hpp"
#include "models/hfvae.hpp"
#include "models/run_lock.hpp"

namespace cuelbo {

class RunDirectory {
 public:
  // A new run, in a directory that this process makes, or that holds nothing a run would replace. Locks it and writes
  // nothing else before begin(); a run that does not begin leaves nothing behind. Error: the directory holds a run with
  // checkpoints, or did, or the user's own files, cannot be written, or another process trains in it. A run that ended before
  // its first checkpoint may be started over. Its data.path becomes absolute.
  static RunDirectory create(const std::string& path, const RunConfig& config);
  // An existing run, to read. Writes nothing. Error naming what is missing or broken.
  static RunDirectory open(const std::string& path);
  // An existing run, to continue: like open(), and locks it. Error: its checkpoints are missing.
  static RunDirectory resume(const std::string& path);

  void set_steps(std::int64_t steps);        // how far to go; begin() stores it
  void set_config(const RunConfig& config);  // begin() stores it
  // Marks the directory as a run, even if training fails later.
  void mark();
  // Training starts: takes the lock if open() did not, and writes config.toml where it is new.
  void begin();
  // While it trains: path() becomes the current one of a directory that was renamed since it was locked, and config.toml
  // is written again if it is missing, which is returned. Error: the directory was removed.
  bool follow();
  // After a training that failed: if create() made this run and it has no checkpoint, removes what was written, which is
  // returned. The directory goes with the lock.
  bool discard();
  // Whether create() found a run that ended before its first checkpoint.
  bool replaces_run() const { return replaces_run_; }
  // False where the file system has no locks, so that nothing keeps a second process away.
  bool has_lock() const { return lock_ != nullptr && lock_->supported(); }

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const;
  const RunConfig& config() const { return config_; }

  // checkpoint/step-00001000.safetensors (models/checkpoint.hpp); the newest two stay. With `best`, which is written first
  // so that no crash can leave a newest checkpoint without its best one, checkpoint/best.safetensors too; a state
  // without validation removes it, as after a change of the data. A directory
  // that was renamed since it was locked is followed, and path() says where it is now.
  void save_checkpoint(ParameterSet& parameters, const CheckpointInfo& info, bool best);

  enum class Which { newest, best };  // best falls to newest when nothing has been validated yet
  bool has_checkpoint() const { return !checkpoints().empty(); }
  std::string checkpoint_file(Which which) const;  // "checkpoint/best.safetensors"; Error when there is none
  std::string best_file() const;
  // Whether the best checkpoint of a training in this state is missing.
  bool lacks_best(const TrainingState& state) const;
  // A newest checkpoint that is truncated or damaged is an Error that names it and the next older one.
  Checkpoint load_checkpoint(Which which) const;

 private:
  RunDirectory(std::string path, RunConfig config) : path_(std::move(path)), config_(std::move(config)) {}
  std::vector<std::string> checkpoints()
      const;  // file names, newest first; the best only if there is no other
  void write_checkpoints(ParameterSet& parameters, const CheckpointInfo& info, bool best) const;
  bool is_marked() const;  // a run was started here, or is being started
  void check_is_run() const;
  void check_unused() const;
  void check_not_lost() const;
  std::string config_text() const;

  std::string path_;
  RunConfig config_;
  bool config_is_written_ = true;
  bool replaces_run_ = false;
  bool is_new_ = false, made_folder_ = false;  // by create() and begin()
  std::shared_ptr<RunLock> lock_;
};

// For the message about a path that is not a run: "; did you mean the run 'DIR'?" if it is inside one, or is a folder
// with runs in it. Empty otherwise.
std::string run_nearby(const std::string& path);

// The run that `file` belongs to, whether that exists or not: config.toml, log.jsonl, TensorBoard's events,
// evaluation.json, report.html, and everything in checkpoint/ and pictures/. Links are followed. Empty: none.
std::string owning_run(const std::string& file);

struct LoadedModel {
  std::unique_ptr<Device> device;
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<Hfvae> model;
  TrainingState state;
  Fingerprint fingerprint;  // empty of an exported model
  std::optional<Dtype>
      stored;              // type of the pixels in the file that it was trained on; none: of an older program
  std::string checkpoint;  // "checkpoint/best.safetensors", or the path of an exported model
};
// Opens the run's model with its best checkpoint. The image shape is in the checkpoint's metadata: no data is needed.
LoadedModel load_model(const RunDirectory& run, const DeviceOptions& options);

// A run is used with a configuration or data other than it was trained with.
class ChangedError : public Error {
 public:
  using Error::Error;
};
// ChangedError when `changes` (models/fingerprint.hpp) is not empty.
void refuse_config_changes(const RunDirectory& run, const std::string& changes);
void refuse_data_changes(const RunDirectory& run, const std::string& changes);

// The name of a device's arithmetic: runs of the same name agree to the bit.
std::string arithmetic_name(const Device& device);

}  // namespace cuelbo
