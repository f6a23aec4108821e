// The devices that programs run on: memory, a stream and a table of kernels. Code above this interface does not know
// which device it uses.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernel_table.hpp"

namespace cuelbo {

// Work that a device has recorded and runs as a whole.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
  virtual void launch() = 0;
};

// Copies a program's next input to the device while the device runs.
class Prefetch {
 public:
  virtual ~Prefetch() = default;
  virtual void begin(const void* host) = 0;  // `host` must not change until finish() has returned
  // Work enqueued after this call sees the most recent copy in `device`.
  virtual void finish(void* device) = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual const std::string& name() const = 0;         // "cpu"
  virtual const std::string& description() const = 0;  // "cpu (avx512, 2 threads)"
  virtual kernels::Precision precision() const { return kernels::Precision::fp32; }  // of products
  virtual const kernels::KernelTable& kernels() const = 0;
  virtual kernels::Stream stream() const = 0;

  // Zero-filled, 64-byte aligned at least. Throws Error when there is not enough memory.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory, std::size_t bytes) noexcept = 0;

  virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;
  virtual void synchronize() = 0;
  virtual std::unique_ptr<Prefetch> prefetch(std::size_t bytes) = 0;  // of one input; this device outlives it

  // Records the launches that `work` makes, which do not run now. Null: this device has no graphs, and work was not called.
  virtual std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) {
    static_cast<void>(work);
    return nullptr;
  }

  // Seconds that the launches of `work` take by the device's own clock. Nothing: it has no clock, and work was not called.
  virtual std::optional<double> seconds(const std::function<void()>& work) {
    static_cast<void>(work);
    return {};
  }
  virtual std::size_t cache_bytes() const { return 0; }  // of the cache in front of its memory; 0: not known
};

// An owned piece of device memory.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, std::size_t bytes)
      : device_(&device), bytes_(bytes), data_(bytes > 0 ? device.allocate(bytes) : nullptr) {}
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() {
    if (data_ != nullptr) device_->release(data_, bytes_);
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(bytes_, other.bytes_);
    std::swap(data_, other.data_);
  }

  Device* device_ = nullptr;
  std::size_t bytes_ = 0;
  void* data_ = nullptr;
};

struct DeviceOptions {
  std::string name = "auto";  // auto | cpu | cuda | cuda:n | simt | simt-checked
  int threads = 0;            // of the CPU, for cpu and simt; 0: all that this process may use
  std::optional<kernels::Precision> precision;  // fp32 unless said; bf16: of the cpu alone
};

// Throws UsageError for a name that no device has or a precision that the device has not, Error for a device that is not
// here. Never falls back silently.
std::unique_ptr<Device> open_device(const DeviceOptions& options);

struct DeviceReport {
  std::string name;
  bool usable = false;
  std::string detail;  // a description, or what is missing and how to get it
};
std::vector<DeviceReport> list_devices();

}  // namespace cuelbo
