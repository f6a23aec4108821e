#include "models/trainer.hpp"

#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "kernels/runtime/floating_point.hpp"
#include "models/data/describe.hpp"
#include "models/data/loader.hpp"
#include "models/run_data.hpp"
#include "models/training_log.hpp"
#include "models/validator.hpp"
#include "models/version.hpp"

namespace cuelbo {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto working_interval = std::chrono::milliseconds(500);
constexpr auto checkpoint_interval = std::chrono::minutes(5);

// The log of such a run shows what led to it.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

ImageShape image_shape(const Dataset& dataset) {
  return {dataset.height(), dataset.width(), dataset.channels()};
}

class Trainer {
 public:
  Trainer(RunDirectory& run, const DeviceOptions& device, const TrainerEvents& events, bool accept_changes)
      : run_(run),
        config_(run.config()),
        events_(events),
        checkpoint_(newest_checkpoint()),
        data_(open_data(accept_changes)),
        dataset_(data_.dataset),
        split_(data_.split),
        fingerprint_(make_fingerprint(config_, *dataset_)),
        device_(open_device(device)),
        parameters_(*device_),
        model_(parameters_, config_, image_shape(*dataset_)),
        step_(*device_, parameters_, model_, config_.batch_size, std::ssize(split_.train)),
        validator_(*device_, parameters_, model_, dataset_, split_),
        state_(begin(accept_changes)),
        log_(run.path(), resumed_ ? state_.step : -1, events.logged),
        loader_(dataset_, split_.train, {.batch_size = config_.batch_size, .seed = config_.seed},
                state_.step) {
    run_.begin();
    const std::vector<std::string> new_files = log_.new_files();
    if (!log_.has_run()) log_.run(description());
    announce();
    if (resumed_)
      for (const std::string& file : new_files)
        say(fmt::format("note: '{}' holds no records up to step {}: it begins anew", file, state_.step));
    check_best();
  }

  TrainingOutcome run(const std::atomic<bool>& stop) {
    interval_start_ = shown_at_ = saved_at_ = Clock::now();
    if (state_.step < config_.training.steps) fetch_batch();
    while (state_.step < config_.training.steps) {
      if (stop) {
        follow_files();
        if (state_.step != saved_step_) save(false);
        return TrainingOutcome::interrupted;
      }
      update();
      const bool last = state_.step == config_.training.steps;
      if (last || state_.step % config_.training.log_every == 0) log_step();
      const Clock::time_point pause = Clock::now();
      if (events_.working && pause - shown_at_ >= working_interval) {
        events_.working(record_of(read_terms(step_, model_)));
        shown_at_ = pause;
      }
      const bool due = last || state_.step % config_.training.validate_every == 0;
      const bool best = due && validator_.has_items() && validate();
      if (due || pause - saved_at_ >= checkpoint_interval) save(best);
      interval_start_ += Clock::now() - pause;
    }
    return TrainingOutcome::finished;
  }

 private:
  std::optional<Checkpoint> newest_checkpoint() const {
    if (!run_.has_checkpoint()) return std::nullopt;
    return run_.load_checkpoint(RunDirectory::Which::newest);
  }

  // From here on the scale belongs to the run: other files are read with it too. Changed data is refused before it is
  // used.
  RunData open_data(bool accept_changes) {
    if (checkpoint_) config_.data.shape = checkpoint_->info.image;
    if (checkpoint_ && config_.data.scale_of == "any" && !checkpoint_->info.fingerprint.empty())
      config_.data.scale_of = dtype_name(checkpoint_->info.fingerprint.stored);
    RunData data = open_run_data(config_, checkpoint_ ? run_.file("config.toml") : "");
    if (checkpoint_ && !accept_changes)
      refuse_data_changes(run_, data_changes(checkpoint_->info.fingerprint, *data.dataset));
    config_.data.scale = data.dataset->info().scale;
    config_.data.scale_of = config_.data.scale ? dtype_name(data.dataset->info().stored) : "any";
    const std::int64_t train = std::ssize(data.split.train);
    if (train < config_.batch_size)
      usage_fail(
          "data.batch_size is {}, but {} of {} images are left to train on ({} to validate, {} to test): it "
          "must be at most {}",
          config_.batch_size, train, data.dataset->size(), data.split.validation.size(),
          data.split.test.size(), train);
    return data;
  }

  // Nothing is written before the checkpoint has been found to fit.
  TrainingState begin(bool accept_changes) {
    const TrainingState state = resume(accept_changes);
    if (!resumed_ || run_.config().data.scale != config_.data.scale) run_.set_config(config_);
    run_.mark();
    return state;
  }

  TrainingState resume(bool accept_changes) {
    if (!checkpoint_) return {};
    const Checkpoint checkpoint = *std::exchange(checkpoint_, std::nullopt);
    const std::string data = data_changes(checkpoint.info.fingerprint, *dataset_),
                      config = config_changes(checkpoint.info.fingerprint, config_);
    in_context(fmt::format("'{}'", run_.file(run_.checkpoint_file(RunDirectory::Which::newest))),
               [&] { restore(parameters_, checkpoint.content, /*with_moments=*/true); });
    if (!accept_changes) refuse_config_changes(run_, config);
    for (const std::string& changes : {config, data})
      if (!changes.empty()) accepted_.push_back(changes);
    resumed_ = true;
    resumed_arithmetic_ = checkpoint.info.arithmetic;
    saved_step_ = interval_step_ = checkpoint.info.state.step;
    // Validation of other data, or of another objective, has no part in choosing the best.
    if (!accepted_.empty()) return {.step = checkpoint.info.state.step};
    return checkpoint.info.state;
  }

  nlohmann::ordered_json description() const {
    return {{"version", version()},
            {"device", device_->description()},
            {"arithmetic", arithmetic_name(*device_)},
            {"estimator", config_.objective.estimator},
            {"discrete", "categorical"},
            {"decoding", "relaxed"},
            {"dataset", dataset_->name()},
            {"train_items", split_.train.size()},
            {"validation_items", validator_.items()},
            {"test_items", split_.test.size()},
            {"batch_size", config_.batch_size},
            {"parameters", parameters_.parameter_count()}};
  }

  void say(const std::string& line) const {
    if (events_.note) events_.note(line);
  }

  void announce() const {
    say(fmt::format("device: {}", device_->description()));
    say(fmt::format("data: {}: {}, {}{}", dataset_->name(), image_text(*dataset_), scale_text(*dataset_),
                    binarize_text(config_.data.binarize)));
    for (const std::string& note : dataset_->info().notes) say(fmt::format("note: {}", note));
    say(fmt::format("split: {} items to train on, {} to validate, {} to test", split_.train.size(),
                    validator_.items(), split_.test.size()));
    say(fmt::format("model: {} parameters, {:.1f} MiB of memory for a step of {} items",
                    parameters_.parameter_count(),
                    static_cast<double>(step_.program.arena_bytes()) / (1 << 20), config_.batch_size));
    if (!run_.has_lock())
      say(fmt::format("note: the file system of '{}' has no locks: do not start a second training there",
                      run_.path()));
    if (run_.replaces_run()) say("note: this run replaces one that ended before its first checkpoint");
    if (!resumed_) return;
    say(fmt::format("continuing after step {}", state_.step));
    for (const std::string& changes : accepted_)
      say(fmt::format("note: changed after training: {}", changes));
    if (resumed_arithmetic_ != arithmetic_name(*device_))
      say(fmt::format(
          "note: the checkpoint was made with {}, this is {}: results may differ in their last digits",
          resumed_arithmetic_, arithmetic_name(*device_)));
  }

  // For the next step: it reaches the device while the current one runs.
  void fetch_batch() {
    const Batch& batch = loader_.next();
    step_.program.prefetch(step_.images, {batch.images, static_cast<std::size_t>(step_.images.size())});
  }

  // One optimizer step. Finiteness is checked every step, because Adam silently skips a non-finite gradient.
  void update() {
    const std::int64_t before = state_.step, step = before + 1;
    const ObjectiveConfig& objective = config_.objective;
    learning_rate_ = config_.learning_rate.at(before);
    step_.program.set_step(config_.seed, static_cast<std::uint64_t>(step));
    step_.optimizer->set_step(step, learning_rate_);
    step_.program.set_step_values(step_.objective.coefficients,
                                  coefficients(objective, model_.tree(), model_.terms().terms(), before));
    step_.program.replay();
    if (step < config_.training.steps) fetch_batch();
    loss_ = step_.program.read_scalar(step_.loss);
    gradient_norm_ = std::sqrt(step_.program.read_scalar(step_.optimizer->gradient_square_sum()));
    if (!std::isfinite(loss_) || !std::isfinite(gradient_norm_))
      stop_non_finite(fmt::format("step {}", step), step_.program);
    state_.step = step;
  }

  // The program still holds the inputs with which it failed.
  [[noreturn]] void stop_non_finite(const std::string& when, Program& program) const {
    const std::string operation = program.find_non_finite();
    const std::string saved = saved_step_ < 0
                                  ? "no checkpoint was written before it"
                                  : fmt::format("the last good checkpoint is '{}'",
                                                run_.file(run_.checkpoint_file(RunDirectory::Which::newest)));
    throw NonFiniteError(fmt::format(
        "{}: NaN or Inf, first in {}; {}; a lower optimizer.adam.learning_rate or optimizer.gradient_clip "
        "may help",
        when, operation.empty() ? "the loss" : operation, saved));
  }

  TrainingRecord record_of(const BatchTerms& batch) const {
    const double seconds = seconds_since(interval_start_);
    const auto steps = static_cast<double>(state_.step - interval_step_);
    const auto left = static_cast<double>(config_.training.steps - state_.step);
    return {.step = state_.step,
            .steps = config_.training.steps,
            .elbo = batch.elbo(),
            .log_likelihood = batch.log_likelihood,
            .terms = summarize(*batch.terms.terms, batch.terms.values),
            .loss = loss_,
            .gradient_norm = gradient_norm_,
            .learning_rate = learning_rate_,
            .items_per_second = steps * static_cast<double>(config_.batch_size) / seconds,
            .seconds_left = left * seconds / steps};
  }

  // Before anything is written: the run is where its directory is now, and its files are those at their paths.
  void follow_files() {
    if (run_.follow())
      say(fmt::format("note: '{}' was removed while training; it is written again",
                      run_.file("config.toml")));
    for (const std::string& file : log_.follow(run_.path(), state_.step))
      say(fmt::format(
          "note: '{}' was removed, renamed or replaced; records from step {} on are in the file there now",
          file, state_.step));
    if (!log_.has_run()) log_.run(description());
  }

  void log_step() {
    follow_files();
    const BatchTerms batch = read_terms(step_, model_);
    const TrainingRecord record = record_of(batch);
    log_.train(record, batch.terms);
    if (events_.progress) events_.progress(record);
    interval_start_ = shown_at_ = Clock::now();
    interval_step_ = state_.step;
  }

  // A best checkpoint that is missing is replaced by one that the next validation chooses.
  void check_best() {
    if (!run_.lacks_best(state_)) return;
    say(fmt::format("note: '{}' is missing: the next validation chooses the best anew", run_.best_file()));
    state_ = {.step = state_.step};
  }

  // Returns whether this is the best so far.
  bool validate() {
    follow_files();
    check_best();
    const BatchTerms mean = validator_.run();
    if (!std::isfinite(mean.elbo()))
      stop_non_finite(fmt::format("validation after step {}", state_.step), validator_.program());
    const bool best = !state_.has_validation || mean.elbo() > state_.best_validation_elbo;
    if (best) state_ = {.step = state_.step, .best_validation_elbo = mean.elbo(), .has_validation = true};
    const ValidationRecord record{.step = state_.step,
                                  .elbo = mean.elbo(),
                                  .log_likelihood = mean.log_likelihood,
                                  .terms = summarize(*mean.terms.terms, mean.terms.values),
                                  .best = best};
    log_.validation(record, mean.terms);
    if (events_.validated) events_.validated(record);
    return best;
  }

  void save(bool best) {
    follow_files();
    log_.sync();
    run_.save_checkpoint(parameters_, {state_, model_.image(), arithmetic_name(*device_), fingerprint_},
                         best);
    saved_at_ = Clock::now();
    saved_step_ = state_.step;
  }

  RunDirectory& run_;
  RunConfig config_;
  const TrainerEvents& events_;
  std::optional<Checkpoint> checkpoint_;  // to continue from, until it is restored
  const RunData data_;
  const std::shared_ptr<const Dataset>& dataset_;
  const Split& split_;
  const Fingerprint fingerprint_;
  std::unique_ptr<Device> device_;
  ParameterSet parameters_;
  Hfvae model_;
  TrainingProgram step_;
  Validator validator_;

  bool resumed_ = false;
  std::string resumed_arithmetic_;
  std::vector<std::string> accepted_;                 // changes since the checkpoint
  std::int64_t saved_step_ = -1, interval_step_ = 0;  // −1: no checkpoint yet
  TrainingState state_;
  TrainingLog log_;
  Loader loader_;

  double loss_ = 0, gradient_norm_ = 0, learning_rate_ = 0;
  Clock::time_point interval_start_, shown_at_, saved_at_;
};

}  // namespace

TrainingOutcome train(RunDirectory& run, const DeviceOptions& device, const std::atomic<bool>& stop,
                      const TrainerEvents& events, bool accept_changes) {
  const kernels::DefaultFloatingPoint
      mode;  // not only kernels compute: rates, coefficients and means do, too
  try {
    return Trainer(run, device, events, accept_changes).run(stop);
  } catch (const NonFiniteError&) {
    throw;
  } catch (const Error& error) {
    if (!run.discard()) throw;
    fail("{}; the run is removed, since it has no checkpoint", error.what());
  }
}

}  // namespace cuelbo
