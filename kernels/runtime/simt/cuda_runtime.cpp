// The functions of cuda_runtime_api.h that the CUDA device's host code calls, over deferred streams. Signatures and
// error codes are CUDA's.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/runtime/simt/runtime.hpp"
#include "kernels/runtime/simt/shared_memory.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo::simt {

namespace {

struct Copy {
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};
struct Set {
  void* to = nullptr;
  int value = 0;
  std::size_t bytes = 0;
};
struct Record {
  cudaEvent_t event = nullptr;
  std::uint64_t ticket = 0;
};
struct Wait {
  cudaEvent_t event = nullptr;
  std::uint64_t ticket = 0;
};
// Shared by the graphs and streams that it has been put into.
using Operation = std::shared_ptr<const std::variant<KernelLaunch, Copy, Set, Record, Wait>>;

template <class T>
Operation operation(T what) {
  return std::make_shared<const Operation::element_type>(std::move(what));
}

}  // namespace

}  // namespace cuelbo::simt

struct CUevent_st {
  std::uint64_t recorded = 0, done = 0;  // tickets
};
struct CUgraph_st {
  std::vector<cuelbo::simt::Operation> operations;
};
struct CUgraphExec_st {
  std::vector<cuelbo::simt::Operation> operations;
};
struct CUstream_st {
  std::deque<cuelbo::simt::Operation> operations;
  cudaGraph_t capture = nullptr;
};

namespace cuelbo::simt {

namespace {

constexpr std::size_t default_shared_limit = std::size_t{48} << 10;
constexpr std::size_t shared_limit = std::size_t{227} << 10;  // of sm_90, which has the most

// One per host thread. Initialised to a value other than zero, which would place it among the static shared variables
// (shared_memory.hpp).
constexpr int no_error = -1;
constinit thread_local int last_error = no_error;

class Runtime {
 public:
  static Runtime& get() {
    static Runtime runtime;
    return runtime;
  }

  cudaError_t remember(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
  }
  cudaError_t status() { return remember(finding_ ? cudaErrorLaunchFailure : cudaSuccess); }
  std::optional<Finding> take_finding() {
    last_error = no_error;
    return std::exchange(finding_, std::nullopt);
  }

  void set_workers(int workers) {
    pool_ = std::make_unique<kernels::ThreadPool>(
        one_worker || observer != nullptr ? 1
        : workers > 0                     ? workers
                                          : static_cast<int>(std::thread::hardware_concurrency()));
    runners_.clear();
    for (int i = 0; i < pool_->threads(); ++i) runners_.push_back(std::make_unique<BlockRunner>());
  }
  void set_order(ThreadOrder order, std::uint64_t seed) {
    order_ = order;
    seed_ = seed;
    random_.seed(seed);
  }

  void set_deferred(bool deferred) { deferred_ = deferred; }

  // ---- memory

  cudaError_t allocate(void** memory, std::size_t bytes, bool pinned) {
    constexpr std::size_t alignment = 256;
    if (memory == nullptr) return remember(cudaErrorInvalidValue);
    // Exactly the bytes asked for, so that a sanitizer sees an access behind them.
    if (bytes > (std::size_t{1} << 46)) return remember(cudaErrorMemoryAllocation);
    if (observer != nullptr)
      *memory = observer->allocate(alignment, bytes);
    else if (posix_memalign(memory, alignment, std::max<std::size_t>(bytes, 1)) != 0)
      *memory = nullptr;
    if (*memory == nullptr) return remember(cudaErrorMemoryAllocation);
    std::memset(*memory, poison, bytes);
    (pinned ? pinned_ : device_)[static_cast<std::byte*>(*memory)] = bytes;
    return cudaSuccess;
  }
  cudaError_t release(void* memory, bool pinned) {
    if (memory == nullptr) return cudaSuccess;
    run_all();
    if ((pinned ? pinned_ : device_).erase(static_cast<std::byte*>(memory)) == 0)
      return remember(cudaErrorInvalidValue);
    if (observer != nullptr)
      observer->release(memory);
    else
      std::free(memory);
    return status();
  }
  bool is_pageable(const void* memory) const {
    return !contains(pinned_, memory) && !contains(device_, memory);
  }
  bool is_allocated(const void* memory, std::size_t bytes) const { return contains(device_, memory, bytes); }

  // ---- streams

  CUstream_st* stream(cudaStream_t stream) {
    return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread ? &default_
                                                                                            : stream;
  }
  cudaError_t create_stream(cudaStream_t* created) {
    streams_.push_back(*created = new CUstream_st);
    return cudaSuccess;
  }
  cudaError_t destroy_stream(cudaStream_t stream) {
    if (std::ranges::find(streams_, stream) == streams_.end())
      return remember(cudaErrorInvalidResourceHandle);
    run_until([&] { return stream->operations.empty(); });
    std::erase(streams_, stream);
    delete stream;
    return status();
  }
  cudaError_t add(Operation operation, cudaStream_t to) {
    CUstream_st* const s = stream(to);
    if (s->capture != nullptr)
      s->capture->operations.push_back(std::move(operation));
    else
      s->operations.push_back(std::move(operation));
    if (!deferred_) run_all();
    return status();
  }

  template <class F>
  void run_until(F&& reached) {
    while (!reached()) {
      std::vector<CUstream_st*> runnable;
      if (can_run(default_)) runnable.push_back(&default_);
      for (CUstream_st* s : streams_)
        if (can_run(*s)) runnable.push_back(s);
      if (runnable.empty()) return;
      // With the order forward, the first stream runs as far as it can.
      CUstream_st& s = *runnable[order_ == ThreadOrder::forward   ? 0
                                 : order_ == ThreadOrder::reverse ? runnable.size() - 1
                                                                  : random_() % runnable.size()];
      const Operation operation = s.operations.front();
      s.operations.pop_front();
      std::visit([&](const auto& o) { run(o); }, *operation);
    }
  }
  void run_all() {
    run_until([] { return false; });
  }

  cudaError_t check(const KernelLaunch& launch) {
    const auto threads = std::uint64_t{launch.block.x} * launch.block.y * launch.block.z;
    if (threads == 0 || threads > max_block_threads || launch.block.z > 64)
      return cudaErrorInvalidConfiguration;
    if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0 || launch.grid.x > 0x7fffffffU ||
        launch.grid.y > 0xffffU || launch.grid.z > 0xffffU)
      return cudaErrorInvalidConfiguration;
    const auto allowed = shared_allowed_.find(launch.kernel);
    if (launch.shared_bytes > (allowed == shared_allowed_.end() ? default_shared_limit : allowed->second))
      return cudaErrorInvalidValue;
    return cudaSuccess;
  }
  cudaError_t allow_shared(const void* kernel, int bytes) {
    if (bytes < 0 || static_cast<std::size_t>(bytes) > shared_limit) return remember(cudaErrorInvalidValue);
    shared_allowed_[kernel] = static_cast<std::size_t>(bytes);
    return cudaSuccess;
  }

  std::recursive_mutex mutex;

 private:
  Runtime() { set_workers(0); }

  static bool contains(const std::map<std::byte*, std::size_t>& pieces, const void* memory,
                       std::size_t bytes = 1) {
    const auto* address = static_cast<const std::byte*>(memory);
    auto next = pieces.upper_bound(const_cast<std::byte*>(address));
    if (next == pieces.begin()) return false;
    --next;
    const auto offset = static_cast<std::size_t>(address - next->first);
    return offset < next->second && bytes <= next->second - offset;
  }

  static bool can_run(const CUstream_st& s) {
    if (s.operations.empty()) return false;
    const auto* wait = std::get_if<Wait>(s.operations.front().get());
    return wait == nullptr || wait->event->done >= wait->ticket;
  }

  void run(const Copy& copy) {
    if (copy.bytes > 0) std::memmove(copy.to, copy.from, copy.bytes);
    if (observer != nullptr) observer->written(copy.to, copy.bytes);
  }
  void run(const Set& set) {
    std::memset(set.to, set.value, set.bytes);
    if (observer != nullptr) observer->written(set.to, set.bytes);
  }
  void run(const Record& record) { record.event->done = std::max(record.event->done, record.ticket); }
  void run(const Wait&) {}

  // After a finding nothing runs any more, as on a GPU whose context is lost.
  void run(const KernelLaunch& launch) {
    if (finding_) return;
    if (observer != nullptr) observer->begin_launch();
    const BlockTask task{.body = launch.body,
                         .context = launch.arguments.get(),
                         .grid = launch.grid,
                         .block = launch.block,
                         .shared_bytes = launch.shared_bytes,
                         .order = order_,
                         .seed = seed_,
                         .code_limit = launch.code_limit};
    const std::int64_t blocks = std::int64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    const auto nth_block = block_order(blocks);
    std::mutex finding_mutex;
    std::int64_t finding_block = blocks;
    kernels::parallel_for(pool_->stream(), blocks, [&](std::int64_t i, int worker) {
      const std::int64_t b = nth_block(i);
      const uint3 index{static_cast<unsigned>(b % launch.grid.x),
                        static_cast<unsigned>(b / launch.grid.x % launch.grid.y),
                        static_cast<unsigned>(b / launch.grid.x / launch.grid.y)};
      BlockRunner& runner = *runners_[static_cast<std::size_t>(worker)];
      if (runner.run(task, index)) return;
      const std::scoped_lock lock(finding_mutex);
      if (b < finding_block) {
        finding_block = b;
        finding_ = runner.finding();
      }
    });
  }

  // The i-th block to run. In random order it is a step that has no factor in common with the number of blocks, which
  // visits each of them once.
  std::function<std::int64_t(std::int64_t)> block_order(std::int64_t blocks) {
    constexpr std::int64_t most = std::int64_t{1} << 31;  // products stay within 64 bits
    if (order_ == ThreadOrder::reverse) return [=](std::int64_t i) { return blocks - 1 - i; };
    if (order_ == ThreadOrder::forward || blocks == 1 || blocks > most)
      return [](std::int64_t i) { return i; };
    const auto draw = [&] {
      return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(blocks));
    };
    const std::int64_t first = draw();
    std::int64_t step = draw();
    while (std::gcd(step, blocks) != 1) step = draw();
    return [=](std::int64_t i) { return (i * step + first) % blocks; };
  }

  std::unique_ptr<kernels::ThreadPool> pool_;
  std::vector<std::unique_ptr<BlockRunner>> runners_;
  ThreadOrder order_ = ThreadOrder::forward;
  bool deferred_ = true;
  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;

  std::map<std::byte*, std::size_t> device_, pinned_;
  std::map<const void*, std::size_t> shared_allowed_;
  CUstream_st default_;
  std::vector<CUstream_st*> streams_;  // in the order of their creation
  std::optional<Finding> finding_;
};

using Lock = std::scoped_lock<std::recursive_mutex>;

}  // namespace

void enqueue(KernelLaunch launch, cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  if (const cudaError_t error = runtime.check(launch); error != cudaSuccess)
    runtime.remember(error);
  else
    runtime.add(operation(std::move(launch)), stream);
}

std::vector<Launch> launches_of(cudaStream_t stream, const std::function<void()>& call) {
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return {};
  const auto end = [&] {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream, &graph);
    return std::unique_ptr<CUgraph_st>(graph);
  };
  try {
    call();
  } catch (...) {
    end();
    throw;
  }
  const auto xyz = [](dim3 d) { return std::array<unsigned, 3>{d.x, d.y, d.z}; };
  const std::unique_ptr<CUgraph_st> graph = end();
  std::vector<Launch> launches;
  for (const Operation& o : graph->operations)
    if (const auto* l = std::get_if<KernelLaunch>(o.get()))
      launches.push_back({l->kernel, xyz(l->grid), xyz(l->block), l->shared_bytes});
  return launches;
}

void set_workers(int workers) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.set_workers(workers);
}

void set_order(ThreadOrder order, std::uint64_t seed) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.set_order(order, seed);
}

void set_deferred(bool deferred) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.set_deferred(deferred);
}

bool is_allocated(const void* memory, std::size_t bytes) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.is_allocated(memory, bytes);
}

std::optional<Finding> take_finding() {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.run_all();
  return runtime.take_finding();
}

}  // namespace cuelbo::simt

using cuelbo::simt::Lock;
using cuelbo::simt::operation;
using cuelbo::simt::Runtime;

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): names of ours

// ---- errors and the device

cudaError_t cudaPeekAtLastError() {
  using namespace cuelbo::simt;
  return last_error == no_error ? cudaSuccess : static_cast<cudaError_t>(last_error);
}
cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  cuelbo::simt::last_error = cuelbo::simt::no_error;
  return error;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorGraphExecUpdateFailure: return "cudaErrorGraphExecUpdateFailure";
    default: return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    default: return cudaGetErrorName(error);
  }
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return Runtime::get().remember(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return attribute == cudaFuncAttributeMaxDynamicSharedMemorySize ? runtime.allow_shared(kernel, value)
                                                                  : cudaSuccess;
}

// ---- memory

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.allocate(memory, bytes, false);
}
cudaError_t cudaFree(void* memory) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.release(memory, false);
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.allocate(memory, bytes, true);
}
cudaError_t cudaFreeHost(void* memory) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.release(memory, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  if (bytes > 0 && (to == nullptr || from == nullptr)) return runtime.remember(cudaErrorInvalidValue);
  // Pageable memory is staged before the call returns when it is the source, and waited for when it is the target.
  const bool from_pageable = kind == cudaMemcpyHostToDevice && runtime.is_pageable(from);
  const bool to_pageable = kind == cudaMemcpyDeviceToHost && runtime.is_pageable(to);
  const cudaError_t error = runtime.add(operation(cuelbo::simt::Copy{to, from, bytes}), stream);
  return error == cudaSuccess && (from_pageable || to_pageable) && runtime.stream(stream)->capture == nullptr
             ? cudaStreamSynchronize(stream)
             : error;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error == cudaSuccess ? cudaStreamSynchronize(nullptr) : error;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.add(operation(cuelbo::simt::Set{to, value, bytes}), stream);
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

// ---- streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.create_stream(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.destroy_stream(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.run_until([s = runtime.stream(stream)] { return s->operations.empty(); });
  return runtime.status();
}
cudaError_t cudaDeviceSynchronize() {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.run_all();
  return runtime.status();
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.run_all();
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.add(operation(cuelbo::simt::Record{event, ++event->recorded}), stream);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  return runtime.add(operation(cuelbo::simt::Wait{event, event->recorded}), stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  runtime.run_until([&] { return event->done >= event->recorded; });
  return runtime.status();
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(Runtime::get().mutex);
  return event->done >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}

// ---- graphs: the operations of a captured stream, in their order

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  CUstream_st* const s = runtime.stream(stream);
  if (stream == nullptr || s->capture != nullptr) return runtime.remember(cudaErrorStreamCaptureUnsupported);
  s->capture = new CUgraph_st;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  *status = runtime.stream(stream)->capture == nullptr ? cudaStreamCaptureStatusNone
                                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  CUstream_st* const s = runtime.stream(stream);
  if (s->capture == nullptr) return runtime.remember(cudaErrorIllegalState);
  *graph = std::exchange(s->capture, nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->operations};
  return cudaSuccess;
}
// The same nodes in the same order, which may have other arguments and sizes; anything else needs another instance.
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* result) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  const auto same_kind = [](const cuelbo::simt::Operation& a, const cuelbo::simt::Operation& b) {
    return a->index() == b->index();
  };
  *result = {};
  result->result = executable->operations.size() != graph->operations.size()
                       ? cudaGraphExecUpdateErrorTopologyChanged
                   : !std::ranges::equal(executable->operations, graph->operations, same_kind)
                       ? cudaGraphExecUpdateErrorNodeTypeChanged
                       : cudaGraphExecUpdateSuccess;
  if (result->result != cudaGraphExecUpdateSuccess) return runtime.remember(cudaErrorGraphExecUpdateFailure);
  executable->operations = graph->operations;  // what was launched before keeps its own
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  Runtime& runtime = Runtime::get();
  const Lock lock(runtime.mutex);
  for (const cuelbo::simt::Operation& o : executable->operations) runtime.add(o, stream);
  return runtime.status();
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
