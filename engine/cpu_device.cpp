// The CPU as a device: host memory on huge pages, one thread pool, the kernel table of the best instruction set.
#include <sched.h>
#include <sys/mman.h>

#include <chrono>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "engine/cpu_device.hpp"
#include "engine/error.hpp"
#include "kernels/cpu_tables.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

std::size_t mapped_bytes(std::size_t bytes) { return (bytes + huge_page - 1) / huge_page * huge_page; }

int usable_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  const unsigned threads = std::thread::hardware_concurrency();
  return threads > 0 ? static_cast<int>(threads) : 1;
}

// The kernels' choice, whose errors are the library's.
const kernels::CpuPath& cpu_path() {
  try {
    return kernels::cpu_path();
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
}

const char* precision_note(kernels::Precision precision) {
  if (precision == kernels::Precision::fp32) return "";
  return cpu_path().bf16_instructions ? ", bf16" : ", bf16 emulated";
}

// On the CPU nothing runs concurrently with a program, so the copy is made when it is needed.
class CpuPrefetch final : public Prefetch {
 public:
  explicit CpuPrefetch(std::size_t bytes) : bytes_(bytes) {}
  void begin(const void* host) override { host_ = host; }
  void finish(void* device) override { std::memcpy(device, host_, bytes_); }

 private:
  std::size_t bytes_;
  const void* host_ = nullptr;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, kernels::Precision precision)
      : pool_(threads),
        precision_(precision),
        description_(fmt::format("cpu ({}{}, {} thread{})", cpu_path().name, precision_note(precision),
                                 pool_.threads(), pool_.threads() == 1 ? "" : "s")) {}

  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  kernels::Precision precision() const override { return precision_; }
  const kernels::KernelTable& kernels() const override { return kernels::cpu_table(precision_); }
  kernels::Stream stream() const override { return {.handle = &pool_}; }

  // Reserves one huge page more than needed to start on a huge-page boundary, and touches every page here: page faults
  // during training would cost more than the work on the page.
  void* allocate(std::size_t bytes) override {
    const std::size_t size = mapped_bytes(bytes);
    void* reserved =
        mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED) fail("not enough memory: {} bytes were asked for", bytes);
    auto* start = static_cast<std::byte*>(reserved);
    const std::size_t lead = (huge_page - reinterpret_cast<std::uintptr_t>(start) % huge_page) % huge_page;
    if (lead > 0) munmap(start, lead);
    if (lead < huge_page) munmap(start + lead + size, huge_page - lead);
    std::byte* memory = start + lead;
    // Advice: without huge pages the memory is as good, only slower. A small piece would not fill even one.
    if (bytes >= huge_page) madvise(memory, size, MADV_HUGEPAGE);
    std::memset(memory, 0, bytes);
    return memory;
  }

  void release(void* memory, std::size_t bytes) noexcept override { munmap(memory, mapped_bytes(bytes)); }

  void upload(void* device, const void* host, std::size_t bytes) override { copy(device, host, bytes); }
  void download(void* host, const void* device, std::size_t bytes) override { copy(host, device, bytes); }
  void synchronize() override {}
  std::unique_ptr<Prefetch> prefetch(std::size_t bytes) override {
    return std::make_unique<CpuPrefetch>(bytes);
  }
  std::optional<double> seconds(const std::function<void()>& work) override {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  mutable kernels::ThreadPool pool_;
  kernels::Precision precision_;
  std::string name_ = "cpu";
  std::string description_;
};

}  // namespace

std::unique_ptr<Device> open_cpu_device(int threads, kernels::Precision precision) {
  if (threads < 0 || threads > 1024)
    usage_fail("threads must be between 1 and 1024, or 0 for all, got {}", threads);
  if (precision == kernels::Precision::tf32) usage_fail("the device cpu has no tf32, only fp32 and bf16");
  return std::make_unique<CpuDevice>(threads == 0 ? usable_threads() : threads, precision);
}

DeviceReport report_cpu_device() {
  try {
    const kernels::CpuPath& path = cpu_path();
    return {.name = "cpu",
            .usable = true,
            .detail = fmt::format(
                "{} instructions, {} threads; bf16 {}", path.name, usable_threads(),
                path.bf16_instructions ? "in hardware" : "emulated (in hardware with AVX-512 BF16)")};
  } catch (const Error& error) {
    return {.name = "cpu", .usable = false, .detail = error.what()};
  }
}

}  // namespace cuelbo
