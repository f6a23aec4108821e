// A GPU as a device: one stream, memory of cudaMalloc, programs captured into graphs. The same code, compiled against the
// SIMT runtime, is the device `simt`; with its kernels instrumented, `simt-checked`.
#include "engine/cuda/cuda_device.hpp"

#include "engine/cuda/check.hpp"
#include "engine/cuda/kernel_tables.hpp"

namespace cuelbo::cuda {

namespace {

#if defined(CUELBO_SIMT)
const char* const device_name = simt::observer == nullptr ? "simt" : "simt-checked";
#else
constexpr const char* device_name = "cuda";
#endif

class CudaGraph final : public DeviceGraph {
 public:
  CudaGraph(cudaStream_t stream, const std::function<void()>& work) : stream_(stream) {
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "begin to capture a program");
    try {
      work();
      check_libraries();
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

  void launch() override { check(cudaGraphLaunch(executable_, stream_), "launch a program"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, std::string description) : description_(std::move(description)) {
    check(cudaSetDevice(index), "use the GPU");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    libraries_ = std::make_unique<kernels::Libraries>(stream_);
  }
  ~CudaDevice() override {
    libraries_.reset();
    cudaStreamDestroy(stream_);
  }
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  const kernels::KernelTable& kernels() const override { return default_table(); }
  kernels::Stream stream() const override { return {.handle = stream_, .libraries = libraries_.get()}; }

  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    if (cudaMalloc(&memory, bytes) == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      fail("not enough memory on the device: {} bytes were asked for", bytes);
    }
    check(cudaMemsetAsync(memory, 0, bytes, stream_), "clear memory");
    return memory;
  }
  void release(void* memory, std::size_t) noexcept override { cudaFree(memory); }

  void upload(void* device, const void* host, std::size_t bytes) override {
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
  }
  void download(void* host, const void* device, std::size_t bytes) override {
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the device");
    synchronize();
  }
  void synchronize() override {
    check_libraries();
    check(cudaGetLastError(), "launch a kernel");
    check(cudaStreamSynchronize(stream_), "run a kernel");
  }
  std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) override {
    return std::make_unique<CudaGraph>(stream_, work);
  }

 private:
  std::string name_ = device_name;
  std::string description_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<kernels::Libraries> libraries_;  // of stream_
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

// Why there is no GPU, and what to do; empty if there is one.
std::string why_not(int index) {
  int driver = 0, count = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0)
    return "no NVIDIA driver answers; install one (Debian: nvidia-driver) of version 580 or newer";
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return fmt::format("the driver answers: {}", cudaGetErrorString(error));
  if (index >= count) return fmt::format("there is no GPU {}: the driver lists {}", index, count);
  return {};
}

std::string describe(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "read the GPU's properties");
  return fmt::format("{}, compute capability {}.{}, {:.0f} GiB", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1U << 30));
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
