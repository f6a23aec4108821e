// A GPU as a device: one stream, memory of cudaMalloc, programs captured into graphs. The same code, compiled against the
// SIMT runtime, is the device `simt`; with its kernels instrumented, `simt-checked`.
#include "engine/cuda/cuda_device.hpp"

#include "engine/cuda/handles.hpp"
#include "engine/cuda/kernel_tables.hpp"
#include "engine/cuda/prefetch.hpp"

namespace cuelbo::cuda {

namespace {

#if defined(CUELBO_SIMT)
const char* const device_name = simt::observer == nullptr ? "simt" : "simt-checked";
#else
constexpr const char* device_name = "cuda";
#endif

class CudaGraph final : public DeviceGraph {
 public:
  CudaGraph(int gpu, cudaStream_t stream, const std::function<void()>& work) : gpu_(gpu), stream_(stream) {
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "begin to capture a program");
    try {
      work();
      check_libraries();
      check(cudaGetLastError(), "launch a kernel");
    } catch (...) {
      cudaStreamEndCapture(stream_, &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream_, &graph), "capture a program");
    const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check(error, "make a graph of a program");
  }
  ~CudaGraph() override { cudaGraphExecDestroy(executable_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void launch() override {
    use_gpu(gpu_);
    check(cudaGraphLaunch(executable_, stream_), "launch a program");
  }

 private:
  int gpu_;
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

int used_gpu(int index) {
  use_gpu(index);
  return index;
}

class CudaDevice final : public Device {
 public:
  CudaDevice(int gpu, std::string description) : gpu_(used_gpu(gpu)), description_(std::move(description)) {}

  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  const kernels::KernelTable& kernels() const override { return default_table(); }
  // The caller is about to launch, so this GPU becomes the thread's current one.
  kernels::Stream stream() const override {
    use_gpu(gpu_);
    return {.handle = stream_, .libraries = libraries_.get()};
  }

  void* allocate(std::size_t bytes) override {
    use_gpu(gpu_);
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      fail("not enough memory on the device: {} bytes were asked for", bytes);
    }
    check(error, "allocate memory");
    const cudaError_t cleared = cudaMemsetAsync(memory, 0, bytes, stream_);
    if (cleared != cudaSuccess) cudaFree(memory);
    check(cleared, "clear memory");
    return memory;
  }
  void release(void* memory, std::size_t) noexcept override { cudaFree(memory); }

  void upload(void* device, const void* host, std::size_t bytes) override {
    use_gpu(gpu_);
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
  }
  void download(void* host, const void* device, std::size_t bytes) override {
    use_gpu(gpu_);
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the device");
    synchronize();
  }
  void synchronize() override {
    use_gpu(gpu_);
    check_libraries();
    check(cudaGetLastError(), "launch a kernel");
    check(cudaStreamSynchronize(stream_), "run a kernel");
  }
  std::unique_ptr<Prefetch> prefetch(std::size_t bytes) override {
    use_gpu(gpu_);
    return std::make_unique<CudaPrefetch>(*this, gpu_, stream_, copies_, bytes);
  }
  std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) override {
    use_gpu(gpu_);
    return std::make_unique<CudaGraph>(gpu_, stream_, work);
  }

#if !defined(CUELBO_SIMT)
  std::optional<double> seconds(const std::function<void()>& work) override {
    use_gpu(gpu_);
    const Event start(cudaEventDefault), end(cudaEventDefault);
    check(cudaEventRecord(start, stream_), "record an event");
    work();
    check_libraries();
    check(cudaGetLastError(), "launch a kernel");
    check(cudaEventRecord(end, stream_), "record an event");
    check(cudaEventSynchronize(end), "run a kernel");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start, end), "read the GPU's clock");
    return 1e-3 * static_cast<double>(milliseconds);
  }
  std::size_t cache_bytes() const override {
    int bytes = 0;
    check(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, gpu_), "read the GPU's properties");
    return static_cast<std::size_t>(bytes);
  }
#endif

 private:
  std::string name_ = device_name;
  int gpu_;
  std::string description_;
  Stream stream_, copies_;
  std::unique_ptr<kernels::Libraries> libraries_ =
      std::make_unique<kernels::Libraries>(static_cast<cudaStream_t>(stream_));
};

}  // namespace

#if defined(CUELBO_SIMT)

std::unique_ptr<Device> open_device(int, const DeviceOptions& options) {
  simt::set_workers(options.threads);
  return std::make_unique<CudaDevice>(0, fmt::format("{} (CUDA kernels executed on the CPU)", device_name));
}

DeviceReport report_device() {
  return {.name = device_name,
          .usable = true,
          .detail = simt::observer == nullptr ? "CUDA kernels executed on the CPU, for checking; slow"
                                              : "the same, which finds races and bad addresses; slower"};
}

#else

namespace {

std::string describe(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "read the GPU's properties");
  return fmt::format("{}, compute capability {}.{}, {:.0f} GiB", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1U << 30));
}

// The error of a first launch: the driver may have to compile the kernel, and may fail to.
cudaError_t launch_one_kernel() {
  float* memory = nullptr;
  cudaError_t error = cudaMalloc(reinterpret_cast<void**>(&memory), sizeof(float));
  if (error == cudaSuccess) {
    default_table().fill.launch({.count = 1, .value = 0, .y = memory}, {});
    error = cudaGetLastError();
  }
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  cudaFree(memory);
  cudaGetLastError();
  return error;
}

// Why GPU `index` cannot be used, and what to do; empty if it can.
std::string why_not(int index) {
  constexpr const char* needed = "install one (Debian: nvidia-driver) of version 580 or newer";
  int driver = 0, count = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return fmt::format("no NVIDIA driver answers; {}", needed);
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver)
    return fmt::format("the driver is one for CUDA {}.{}, too old; {}", driver / 1000, driver % 1000 / 10,
                       needed);
  if (error != cudaSuccess) return fmt::format("the driver answers: {}", cudaGetErrorString(error));
  if (index >= count) return fmt::format("there is no GPU {}: the driver lists {}", index, count);
  use_gpu(index);
  error = launch_one_kernel();
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorUnsupportedPtxVersion ||
      error == cudaErrorInvalidPtx || error == cudaErrorJitCompilationDisabled) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index), "read the GPU's properties");
    return fmt::format(
        "the kernels were not compiled for GPU {} ({}): cmake --preset cuda -D "
        "CUELBO_CUDA_ARCHITECTURES={}{}-real && cmake --build --preset cuda",
        index, describe(index), properties.major, properties.minor);
  }
  if (error != cudaSuccess) return fmt::format("GPU {} runs no kernel: {}", index, cudaGetErrorString(error));
  return {};
}

}  // namespace

std::unique_ptr<Device> open_device(int index, const DeviceOptions&) {
  if (const std::string reason = why_not(index); !reason.empty()) fail("no CUDA device: {}", reason);
  return std::make_unique<CudaDevice>(index, fmt::format("cuda:{} ({})", index, describe(index)));
}

DeviceReport report_device() {
  const std::string reason = why_not(0);
  return {.name = device_name, .usable = reason.empty(), .detail = reason.empty() ? describe(0) : reason};
}

#endif

}  // namespace cuelbo::cuda
