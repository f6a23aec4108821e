// Every kernel of the CPU at the shapes of the models: GFLOP/s and GB/s of all calls; the shortest call, and what share its
// rates are of the best that the FMA units and the memory reach in the same run. Data in a cache moves faster.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/peak/fma_peak.hpp"
#include "bench/peak/memory_bandwidth.hpp"
#include "engine/device.hpp"
#include "kernels/runtime/thread_pool.hpp"
#include "tools/lab/call_inputs.hpp"
#include "tools/lab/measure.hpp"
#include "tools/lab/origin.hpp"

namespace cuelbo {
namespace {

using kernels::Precision;
using lab::Contract;
using lab::Shape;

struct Peak {
  double flops, bytes;  // per second
};

// Measured when it is first asked for.
const Peak& peak_of(int threads) {
  static std::map<int, Peak> peaks;
  const auto found = peaks.find(threads);
  if (found != peaks.end()) return found->second;
  kernels::ThreadPool pool(threads);
  return peaks.emplace(threads, Peak{.flops = fma_peak(pool), .bytes = memory_bandwidth(pool)}).first->second;
}

void run(benchmark::State& state, const Contract& contract, const Shape& shape, Precision precision) {
  const auto threads = static_cast<int>(state.range(0));
  const Peak& peak = peak_of(threads);
  const std::unique_ptr<Device> device =
      open_device({.name = "cpu", .threads = threads, .precision = precision});
  const kernels::KernelTable& table = device->kernels();
  lab::CallMemory memory(*device, contract.buffers(shape), contract.workspace(table, shape));
  lab::draw_inputs(contract, shape, 1, std::vector<bool>(memory.buffers().size()), memory);
  memory.upload();
  const auto call = contract.bind(table, shape, memory.addresses(), memory.workspace());
  const kernels::Stream stream = device->stream();
  using Clock = std::chrono::steady_clock;
  double shortest = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    const auto start = Clock::now();
    call(stream);
    shortest = std::min(shortest, std::chrono::duration<double>(Clock::now() - start).count());
  }
  const kernels::Cost work = contract.cost(shape);
  const double calls = static_cast<double>(state.iterations()) / 1e9;
  state.counters["GFLOP/s"] = benchmark::Counter(work.operations() * calls, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(work.bytes * calls, benchmark::Counter::kIsRate);
  state.counters["shortest_us"] = 1e6 * shortest;
  state.counters["of_fma_peak"] = work.operations() / shortest / peak.flops;
  state.counters["of_memory"] = work.bytes / shortest / peak.bytes;
}

// Layers of the models for products and convolutions; what a GPU is measured with for the rest.
std::vector<Shape> shapes_of(const Contract& contract) {
  std::vector<std::string> texts;
  if (contract.name().starts_with("linear"))
    texts = {"rows=256,in=784,out=400",  "rows=256,in=400,out=200", "rows=64,in=1024,out=256",
             "rows=256,in=1024,out=256", "rows=256,in=256,out=20",  "rows=1,in=784,out=400"};
  if (contract.name().starts_with("conv2d"))
    for (const char* const batch : {"1", "64", "256"})
      for (const char* const layer : {"large_height=64,large_width=64,large_channels=1,small_channels=32",
                                      "large_height=64,large_width=64,large_channels=3,small_channels=32",
                                      "large_height=32,large_width=32,large_channels=32,small_channels=32",
                                      "large_height=16,large_width=16,large_channels=32,small_channels=64",
                                      "large_height=8,large_width=8,large_channels=64,small_channels=64"})
        texts.push_back(std::string("batch=") + batch + "," + layer);
  if (texts.empty()) return lab::measured_shapes(contract);
  std::vector<Shape> shapes;
  for (const std::string& text : texts) shapes.push_back(contract.complete(lab::parse_shape(text)));
  return shapes;
}

// Sizes that differ from the usual ones: names are to be read.
std::string name_of(const Contract& contract, const Shape& shape) {
  const Shape usual = contract.complete({});
  Shape different;
  for (const auto& [name, value] : shape)
    if (usual.at(name) != value) different[name] = value;
  return std::string(contract.name()) + "/" + (different.empty() ? "usual" : lab::to_string(different));
}

void add(const Contract& contract, const Shape& shape, Precision precision) {
  const char* const suffix = precision == Precision::bf16 ? "/bf16" : "";
  benchmark::RegisterBenchmark(
      (name_of(contract, shape) + suffix).c_str(),
      [&contract, shape, precision](benchmark::State& state) { run(state, contract, shape, precision); })
      ->ArgName("threads")
      ->Arg(1)
      ->Arg(2)
      ->UseRealTime();
}

[[maybe_unused]] const bool registered = [] {
  for (const auto& [key, value] : lab::measurement_origin())
    if (key != "date") benchmark::AddCustomContext(key, value);  // it has a date of its own
  for (const auto& contract : lab::contracts())
    for (const Shape& shape : shapes_of(*contract)) {
      add(*contract, shape, Precision::fp32);
      if (contract->name().starts_with("linear") || contract->name().starts_with("conv2d"))
        add(*contract, shape, Precision::bf16);
    }
  return true;
}();

}  // namespace
}  // namespace cuelbo
