#include "models/data/loader.hpp"

#include <algorithm>
#include <new>

#include "engine/error.hpp"
#include "models/data/random.hpp"

namespace cuelbo {

Loader::Loader(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> items,
               const LoaderOptions& options, std::int64_t first_step)
    : dataset_(std::move(dataset)),
      items_(std::move(items)),
      options_(options),
      step_(first_step),
      made_(first_step) {
  const std::int64_t count = items_per_epoch();
  if (options_.batch_size < 1) usage_fail("batch_size is {}; it must be at least 1", options_.batch_size);
  if (count == 0) usage_fail("there are no items to make batches of");
  if (options_.drop_last && options_.batch_size > count)
    usage_fail("batch_size {} is larger than the {} items there are", options_.batch_size, count);
  if (options_.prefetch < 2) usage_fail("prefetch is {}; it must be at least 2", options_.prefetch);
  batches_per_epoch_ = (options_.drop_last ? count : count + options_.batch_size - 1) / options_.batch_size;

  const std::int64_t largest = std::min(options_.batch_size, count);
  const std::int64_t slot_floats = (largest * dataset_->item_size() + 15) / 16 * 16;
  images_.reset(new (std::align_val_t{64}) float[static_cast<std::size_t>(slot_floats * options_.prefetch)]);
  ring_.resize(static_cast<std::size_t>(options_.prefetch));
  for (std::size_t i = 0; i < ring_.size(); ++i) {
    ring_[i].items.resize(static_cast<std::size_t>(largest));
    ring_[i].images = images_.get() + static_cast<std::int64_t>(i) * slot_floats;
  }
  order_ = items_;
  free_ = first_step + options_.prefetch;
  thread_ = std::thread([this] { produce(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

const Batch& Loader::next() {
  std::unique_lock lock(mutex_);
  // The batch handed out last is given back: its slot may be filled again.
  free_ = step_ + options_.prefetch;
  changed_.notify_all();
  changed_.wait(lock, [this] { return made_ > step_ || failure_; });
  if (made_ <= step_) std::rethrow_exception(failure_);
  return slot(step_++).batch;
}

void Loader::produce() {
  try {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stop_ || made_ < free_; });
      if (stop_) return;
      const std::int64_t step = made_;
      lock.unlock();
      make_batch(step);
      lock.lock();
      made_ = step + 1;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

void Loader::make_batch(std::int64_t step) {
  const std::int64_t epoch = step / batches_per_epoch_;
  if (epoch != epoch_) order_epoch(epoch);
  const std::int64_t begin = step % batches_per_epoch_ * options_.batch_size;
  const std::int64_t size = std::min(options_.batch_size, items_per_epoch() - begin);

  Slot& to = slot(step);
  std::copy_n(order_.begin() + begin, size, to.items.begin());
  to.batch = {step, epoch, std::span<const std::int64_t>(to.items).first(static_cast<std::size_t>(size)),
              to.images};
  dataset_->gather_epoch(to.batch.items, to.images, static_cast<std::uint32_t>(epoch));
}

void Loader::order_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  if (!options_.shuffle) return;
  std::ranges::copy(items_, order_.begin());
  shuffle(order_, options_.seed, DataStream::shuffle, static_cast<std::uint32_t>(epoch));
}

}  // namespace cuelbo
