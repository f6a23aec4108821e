// Copies to the GPU that overlap with its kernels: a stream of their own fills a piece of device memory, from which the
// kernels' stream takes it.
#pragma once

#include <cstddef>

#include "engine/cuda/handles.hpp"
#include "engine/device.hpp"

namespace cuelbo::cuda {

class CudaPrefetch final : public Prefetch {
 public:
  // `stream` runs what `device` runs, `copies` nothing but prefetches.
  CudaPrefetch(Device& device, int gpu, cudaStream_t stream, cudaStream_t copies, std::size_t bytes);
  ~CudaPrefetch() override;
  CudaPrefetch(const CudaPrefetch&) = delete;
  CudaPrefetch& operator=(const CudaPrefetch&) = delete;

  void begin(const void* host) override;
  void finish(void* device) override;

 private:
  struct Staging {
    explicit Staging(std::size_t bytes) : memory(bytes) {}
    PinnedMemory memory;
    Event copied;  // memory may be filled again
  };

  int gpu_;
  cudaStream_t stream_, copies_;
  std::size_t bytes_;
  DeviceMemory arrived_;
  Event taken_;                                           // arrived_ may be filled again
  Staging staging_[2]{Staging(bytes_), Staging(bytes_)};  // the host fills one while the other is copied
  int current_ = 0;
};

}  // namespace cuelbo::cuda
