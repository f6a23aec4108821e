// Batches for training, made ahead of time by a thread of their own.
//
// The batch of a step is a pure function of (items, options, step), whatever has been read before: step s is
// batch s mod batches_per_epoch() of epoch s / batches_per_epoch(). A run is resumed by a loader that starts
// at the step it had reached.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "models/data/dataset.hpp"

namespace cuelbo {

struct LoaderOptions {
  std::int64_t batch_size = 64;
  std::uint64_t seed = 1;
  bool shuffle = true;    // a new order every epoch; else the items' own
  bool drop_last = true;  // leaves out the incomplete batch at an epoch's end
  int prefetch = 3;       // batches in the ring, the consumer's included; at least 2
};

struct Batch {
  std::int64_t step = 0, epoch = 0;
  std::span<const std::int64_t> items;  // of the data set
  const float* images = nullptr;        // (items, H, W, C), 64-byte aligned

  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
};

class Loader {
 public:
  // UsageError: an empty list, a batch size below 1 or, with drop_last, above the number of items.
  Loader(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> items,
         const LoaderOptions& options, std::int64_t first_step = 0);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next step's batch, which stays valid until the next call. Throws what making it threw; so does every
  // later call. Does not allocate.
  const Batch& next();

  // The step that next() will return.
  std::int64_t step() const { return step_; }
  std::int64_t batches_per_epoch() const { return batches_per_epoch_; }
  std::int64_t items_per_epoch() const { return static_cast<std::int64_t>(items_.size()); }

 private:
  struct Slot {
    std::vector<std::int64_t> items;
    float* images = nullptr;
    Batch batch;
  };
  struct FreeAligned {
    void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };

  Slot& slot(std::int64_t step) { return ring_[static_cast<std::size_t>(step) % ring_.size()]; }
  void produce();
  void make_batch(std::int64_t step);
  void order_epoch(std::int64_t epoch);

  const std::shared_ptr<const Dataset> dataset_;
  const std::vector<std::int64_t> items_;
  const LoaderOptions options_;
  std::int64_t batches_per_epoch_ = 0;
  std::vector<std::int64_t> order_;  // the items in the order of epoch_; the thread's own
  std::int64_t epoch_ = -1;
  std::unique_ptr<float[], FreeAligned> images_;
  std::vector<Slot> ring_;

  std::int64_t step_ = 0;  // the consumer's own
  std::mutex mutex_;       // guards what follows
  std::condition_variable changed_;
  std::int64_t made_ = 0;  // steps below it are ready
  std::int64_t free_ = 0;  // steps below it may be made
  bool stop_ = false;
  std::exception_ptr failure_;  // of step made_
  std::thread thread_;          // last: it uses everything above
};

}  // namespace cuelbo
