#include "engine/cuda/prefetch.hpp"

#include <cstring>

namespace cuelbo::cuda {

CudaPrefetch::CudaPrefetch(Device& device, int gpu, cudaStream_t stream, cudaStream_t copies,
                           std::size_t bytes)
    : gpu_(gpu), stream_(stream), copies_(copies), bytes_(bytes), arrived_(device, bytes) {
  // The stream clears new memory.
  check(cudaEventRecord(taken_, stream_), "record an event");
}

// The last copy may still read the page-locked memory.
CudaPrefetch::~CudaPrefetch() { cudaStreamSynchronize(copies_); }

void CudaPrefetch::begin(const void* host) {
  use_gpu(gpu_);
  current_ = 1 - current_;
  const Staging& staging = staging_[current_];
  check(cudaEventSynchronize(staging.copied), "wait for a copy to the device");
  std::memcpy(staging.memory.data(), host, bytes_);
  check(cudaStreamWaitEvent(copies_, taken_, 0), "wait for an event");
  check(cudaMemcpyAsync(arrived_.data(), staging.memory.data(), bytes_, cudaMemcpyHostToDevice, copies_),
        "copy to the device");
  check(cudaEventRecord(staging.copied, copies_), "record an event");
}

void CudaPrefetch::finish(void* device) {
  use_gpu(gpu_);
  check(cudaStreamWaitEvent(stream_, staging_[current_].copied, 0), "wait for an event");
  check(cudaMemcpyAsync(device, arrived_.data(), bytes_, cudaMemcpyDeviceToDevice, stream_),
        "copy within the device");
  check(cudaEventRecord(taken_, stream_), "record an event");
}

}  // namespace cuelbo::cuda
