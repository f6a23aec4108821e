// The host side of the SIMT device: streams whose work is deferred until something waits for it, and the settings that
// decide in which order it then runs. The functions of cuda_runtime_api.h are defined over it (cuda_runtime.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <driver_types.h>

#include "kernels/runtime/simt/block.hpp"
#include "kernels/runtime/simt/launch.hpp"

namespace cuelbo::simt {

// A kernel launch: `body` runs the kernel for the current thread.
struct KernelLaunch {
  void (*body)(const void* arguments) = nullptr;
  std::shared_ptr<const void> arguments;
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  std::uint64_t code_limit = 0;  // of each block, see BlockTask
  const void* kernel = nullptr;  // its address, which is its identity
};

// Puts a launch into a stream, or into the graph that the stream is being captured into. An invalid configuration is the
// error that CUDA reports for it.
void enqueue(KernelLaunch launch, cudaStream_t stream);

// The same with a function object as the body.
template <class Call>
void enqueue(KernelLaunch launch, const Call& call, cudaStream_t stream) {
  launch.body = [](const void* c) CUELBO_NOT_OBSERVED { (*static_cast<const Call*>(c))(); };
  launch.arguments = std::make_shared<const Call>(call);
  enqueue(std::move(launch), stream);
}

// The launches that `call` puts into the stream (not the default one), in order. None of them runs, so their arguments
// may point anywhere.
std::vector<Launch> launches_of(cudaStream_t stream, const std::function<void()>& call);

// Host threads that blocks are spread over; 0: all of the machine.
void set_workers(int workers);
// Order of threads and blocks; the seed also interleaves streams. Results of correct programs depend on neither.
void set_order(ThreadOrder order, std::uint64_t seed);

// Whether work waits in its stream until something waits for it, as it does from the start; if not, it runs at once.
void set_deferred(bool deferred);

// Whether all of these bytes belong to one allocation of cudaMalloc.
bool is_allocated(const void* memory, std::size_t bytes);

// The first wrong thing that a kernel did since the last call. It is sticky in CUDA's way too: cudaErrorLaunchFailure
// comes from whatever waits next.
std::optional<Finding> take_finding();

}  // namespace cuelbo::simt
