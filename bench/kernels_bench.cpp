// linear and conv2d kernels at the shapes of the models, in Gflop/s, beside the peak of the same instructions.
#include <benchmark/benchmark.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu_tables.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {
namespace {

using namespace kernels;

// Scratch memory that starts on a cache line, as the engine's arena gives it.
class AlignedFloats {
 public:
  explicit AlignedFloats(std::int64_t count, float value = 0.5F)
      : data_(static_cast<float*>(
            std::aligned_alloc(1 << 21, (static_cast<std::size_t>(count) * 4 + (1 << 21)) >> 21 << 21))) {
    std::fill_n(data_.get(), count, value);
  }
  float* data() { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
};

ThreadPool& pool(std::int64_t threads) {
  static std::map<std::int64_t, std::unique_ptr<ThreadPool>> pools;
  auto& entry = pools[threads];
  if (entry == nullptr) entry = std::make_unique<ThreadPool>(static_cast<int>(threads));
  return *entry;
}

template <class Args>
void measure(benchmark::State& state, const Kernel<Args>& kernel, Args args) {
  const std::size_t bytes = kernel.workspace == nullptr ? 0 : kernel.workspace(args);
  AlignedFloats workspace(static_cast<std::int64_t>(bytes / 4 + 16));
  args.workspace = workspace.data();
  const Stream stream = pool(state.range(0)).stream();
  for (auto _ : state) kernel.launch(args, stream);
  const Cost work = cost(args);
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["GF/s"] =
      benchmark::Counter(work.operations() * iterations / 1e9, benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(work.bytes * iterations / 1e9, benchmark::Counter::kIsRate);
}

struct LinearCase {
  std::int64_t rows, in, out;
};

void linear(benchmark::State& state, LinearCase c, char direction) {
  AlignedFloats x(c.rows * c.in), y(c.rows * c.out), weight(c.in * c.out), bias(c.out);
  const KernelTable& table = cpu_table();
  if (direction == 'f')
    measure(state, table.linear_forward,
            {.rows = c.rows,
             .in = c.in,
             .out = c.out,
             .x = x.data(),
             .weight = weight.data(),
             .bias = bias.data(),
             .activation = Activation::relu,
             .y = y.data()});
  if (direction == 'd')
    measure(state, table.linear_backward_data,
            {.rows = c.rows,
             .in = c.in,
             .out = c.out,
             .dy = y.data(),
             .weight = weight.data(),
             .activation = Activation::relu,
             .x = x.data(),
             .dx = x.data()});
  if (direction == 'w')
    measure(state, table.linear_backward_weight,
            {.rows = c.rows,
             .in = c.in,
             .out = c.out,
             .x = x.data(),
             .dy = y.data(),
             .dweight = weight.data(),
             .dbias = bias.data()});
}

void convolution(benchmark::State& state, Conv2dShape s, char direction) {
  AlignedFloats large(s.batch * s.large_height * s.large_width * s.large_channels);
  AlignedFloats small(s.batch * s.small_height * s.small_width * s.small_channels);
  AlignedFloats saved(s.batch * s.large_height * s.large_width * s.large_channels);
  AlignedFloats weight(s.small_channels * s.kernel * s.kernel * s.large_channels);
  AlignedFloats bias(s.small_channels + s.large_channels);
  const KernelTable& table = cpu_table();
  if (direction == 'f')
    measure(state, table.conv2d_forward,
            {.shape = s,
             .large = large.data(),
             .weight = weight.data(),
             .bias = bias.data(),
             .activation = Activation::relu,
             .small = small.data()});
  if (direction == 'd')
    measure(state, table.conv2d_backward_data,
            {.shape = s,
             .small = small.data(),
             .weight = weight.data(),
             .gradient_activation = Activation::relu,
             .saved = saved.data(),
             .large = large.data()});
  if (direction == 'w')
    measure(state, table.conv2d_backward_weight,
            {.shape = s, .large = large.data(), .small = small.data(), .dweight = weight.data()});
}

void bias(benchmark::State& state, std::int64_t rows, std::int64_t channels) {
  AlignedFloats dy(rows * channels), dbias(channels);
  measure(state, cpu_table().bias_backward,
          {.rows = rows, .channels = channels, .dy = dy.data(), .dbias = dbias.data()});
}

Conv2dShape layer(std::int64_t batch, std::int64_t size, std::int64_t large_channels,
                  std::int64_t small_channels) {
  return {.batch = batch,
          .large_height = size,
          .large_width = size,
          .large_channels = large_channels,
          .small_height = size / 2,
          .small_width = size / 2,
          .small_channels = small_channels,
          .kernel = 4,
          .stride = 2,
          .padding = 1};
}

const char* direction_name(char direction) {
  return direction == 'f' ? "forward" : direction == 'd' ? "backward_data" : "backward_weight";
}

void add(const std::string& name, auto function) {
  benchmark::RegisterBenchmark(name.c_str(), function)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
}

[[maybe_unused]] const bool registered = [] {
  for (const LinearCase c : {LinearCase{256, 784, 400},
                             {256, 400, 200},
                             {64, 1024, 256},
                             {256, 1024, 256},
                             {256, 256, 20},
                             {128, 400, 784},
                             {1, 784, 400}})
    for (const char direction : {'f', 'd', 'w'})
      add("linear_" + std::string(direction_name(direction)) + "/" + std::to_string(c.rows) + "x" +
              std::to_string(c.in) + "x" + std::to_string(c.out),
          [=](benchmark::State& state) { linear(state, c, direction); });
  for (const std::int64_t batch : {1, 64, 256})
    for (const Conv2dShape& s : {layer(batch, 64, 1, 32), layer(batch, 64, 3, 32), layer(batch, 32, 32, 32),
                                 layer(batch, 16, 32, 64), layer(batch, 8, 64, 64)})
      for (const char direction : {'f', 'd', 'w'})
        add("conv2d_" + std::string(direction_name(direction)) + "/" + std::to_string(batch) + "x" +
                std::to_string(s.large_height) + "x" + std::to_string(s.large_channels) + "x" +
                std::to_string(s.small_channels),
            [=](benchmark::State& state) { convolution(state, s, direction); });
  add("bias_backward/262144x32", [](benchmark::State& state) { bias(state, 262144, 32); });
  add("bias_backward/1048576x1", [](benchmark::State& state) { bias(state, 1048576, 1); });
  return true;
}();

}  // namespace
}  // namespace cuelbo
