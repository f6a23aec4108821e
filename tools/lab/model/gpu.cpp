#include "tools/lab/model/gpu.hpp"

#include <array>
#include <string>
#include <vector>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"

namespace cuelbo::lab {

namespace {

// The fraction of Hopper's dense peak, which takes wgmma, that mma.sync reaches (arXiv 2501.12084); elsewhere mma.sync
// is the native instruction.
constexpr double hopper_mma = 0.63;

// Rates, multiprocessors, clocks and L2: NVIDIA's white papers "A100 Tensor Core GPU Architecture", "H100 Tensor Core GPU
// Architecture" (and the data sheets of the 80 GB SXM modules), "Ada GPU Architecture", "RTX Blackwell GPU
// Architecture"; bf16 with fp32 sums, which the GeForce cards do at half their rate. Threads and shared memory:
// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; 16 special functions a clock and
// multiprocessor: "Throughput of Native Arithmetic Instructions" there.
constexpr std::array table{Gpu{.name = "h100",
                               .title = "H100",
                               .driver_name = "NVIDIA H100 80GB HBM3",
                               .architecture = 90,
                               .multiprocessors = 132,
                               .clock = 1.98e9,
                               .memory_bandwidth = 3.35e12,
                               .cache_bytes = 50e6,
                               .fp32 = 66.9e12,
                               .tf32 = hopper_mma * 495e12,
                               .bf16 = hopper_mma * 989e12,
                               .threads = 2048,
                               .shared_bytes = 228 << 10,
                               .block_shared_bytes = 227 << 10},
                           Gpu{.name = "a100",
                               .title = "A100",
                               .driver_name = "NVIDIA A100-SXM4-80GB",
                               .architecture = 80,
                               .multiprocessors = 108,
                               .clock = 1.41e9,
                               .memory_bandwidth = 2.039e12,
                               .cache_bytes = 40e6,
                               .fp32 = 19.5e12,
                               .tf32 = 156e12,
                               .bf16 = 312e12,
                               .threads = 2048,
                               .shared_bytes = 164 << 10,
                               .block_shared_bytes = 163 << 10},
                           Gpu{.name = "rtx4090",
                               .title = "RTX 4090",
                               .driver_name = "NVIDIA GeForce RTX 4090",
                               .architecture = 89,
                               .multiprocessors = 128,
                               .clock = 2.52e9,
                               .memory_bandwidth = 1.008e12,
                               .cache_bytes = 72e6,
                               .fp32 = 82.6e12,
                               .tf32 = 82.6e12,
                               .bf16 = 165.2e12,
                               .threads = 1536,
                               .shared_bytes = 100 << 10,
                               .block_shared_bytes = 99 << 10},
                           Gpu{.name = "rtx5090",
                               .title = "RTX 5090",
                               .driver_name = "NVIDIA GeForce RTX 5090",
                               .architecture = 120,
                               .multiprocessors = 170,
                               .clock = 2.41e9,
                               .memory_bandwidth = 1.792e12,
                               .cache_bytes = 96e6,
                               .fp32 = 104.8e12,
                               .tf32 = 104.8e12,
                               .bf16 = 209.5e12,
                               .threads = 1536,
                               .shared_bytes = 100 << 10,
                               .block_shared_bytes = 99 << 10}};

}  // namespace

double Gpu::peak(kernels::Precision precision) const {
  switch (precision) {
    case kernels::Precision::tf32: return tf32;
    case kernels::Precision::bf16: return bf16;
    default: return fp32;
  }
}

std::span<const Gpu> gpus() { return table; }

const Gpu& find_gpu(std::string_view name) {
  std::vector<std::string> names;
  for (const Gpu& gpu : table) {
    if (gpu.name == name) return gpu;
    names.emplace_back(gpu.name);
  }
  usage_fail("--gpu {}: there is {}{}", name, fmt::join(names, ", "), did_you_mean(name, names));
}

const Gpu* described_gpu(std::string_view description) {
  for (const Gpu& gpu : table)
    if (description.find(fmt::format("({},", gpu.driver_name)) != std::string_view::npos) return &gpu;
  return nullptr;
}

}  // namespace cuelbo::lab
