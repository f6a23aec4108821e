// The ELBO decomposition, forward and backward, at the batch sizes of training; exponentials count one for each pair of
// row and column and each dimension.
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu_tables.hpp"
#include "kernels/runtime/thread_pool.hpp"

namespace cuelbo {
namespace {

using namespace kernels;

struct ElboCase {
  std::int64_t batch;
  std::int32_t dims, group, classes;
};

std::vector<DensityBlock> blocks_of(const ElboCase& c) {
  const std::int32_t discrete = c.classes > 0;
  std::vector<DensityBlock> blocks = {{0, c.dims, 0, discrete}};
  for (std::int32_t d = 0; d < c.dims; d += c.group) blocks.push_back({d, d + c.group, 0, 0});
  for (std::int32_t d = 0; d < c.dims; ++d) blocks.push_back({d, d + 1, 0, 0});
  if (discrete != 0) blocks.push_back({0, 0, 0, 1});
  return blocks;
}

class AlignedMemory {
 public:
  explicit AlignedMemory(std::size_t bytes) : data_(std::aligned_alloc(64, (bytes / 64 + 1) * 64)) {}
  void* data() { return data_.get(); }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> data_;
};

void elbo_decomposition(benchmark::State& state, ElboCase c) {
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const std::vector<DensityBlock> blocks = blocks_of(c);
  ElboDecompositionShape s;
  s.rows = s.columns = c.batch;
  s.dims = c.dims;
  s.blocks = blocks.data();
  s.block_count = static_cast<std::int32_t>(blocks.size());
  s.group_count = c.classes > 0;
  s.classes[0] = c.classes;
  const double items = 60000, others = static_cast<double>(c.batch - 1);
  s.own_weight = 1 / items;
  s.next_weight = s.other_weight = (items - 1) / (items * others);

  std::mt19937_64 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> z, mean, logvar;
  for (std::int64_t i = 0; i < c.batch * c.dims; ++i) {
    mean.push_back(normal(generator));
    logvar.push_back(-1.4F + 0.5F * normal(generator));
    z.push_back(mean.back() + std::exp(logvar.back() / 2) * normal(generator));
  }
  const std::vector<float> probabilities(size(c.batch * c.classes),
                                         c.classes > 0 ? 1.0F / static_cast<float>(c.classes) : 0);
  std::vector<float> log_q(size(s.rows * s.block_count)), sums(size(s.rows * saved_columns(s)));
  const std::vector<float> dlog_q(log_q.size(), 1.0F / static_cast<float>(c.batch));
  std::vector<float> dz(z.size()), dmean(z.size()), dlogvar(z.size()), drow(probabilities.size()),
      dcolumn(probabilities.size());

  const KernelTable& table = cpu_table();
  ElboDecompositionForward forward = {.shape = s,
                                      .z = z.data(),
                                      .mean = mean.data(),
                                      .logvar = logvar.data(),
                                      .row_probabilities = probabilities.data(),
                                      .probabilities = probabilities.data(),
                                      .log_q = log_q.data(),
                                      .log_class_sums = sums.data()};
  ElboDecompositionBackward backward = {.shape = s,
                                        .z = z.data(),
                                        .mean = mean.data(),
                                        .logvar = logvar.data(),
                                        .row_probabilities = probabilities.data(),
                                        .probabilities = probabilities.data(),
                                        .log_q = log_q.data(),
                                        .log_class_sums = sums.data(),
                                        .dlog_q = dlog_q.data(),
                                        .dz = dz.data(),
                                        .dmean = dmean.data(),
                                        .dlogvar = dlogvar.data(),
                                        .drow_probabilities = drow.data(),
                                        .dprobabilities = dcolumn.data()};
  const std::size_t forward_bytes = table.elbo_decomposition_forward.workspace(forward);
  const std::size_t backward_bytes = table.elbo_decomposition_backward.workspace(backward);
  AlignedMemory forward_memory(forward_bytes), backward_memory(backward_bytes);
  forward.workspace = forward_memory.data();
  backward.workspace = backward_memory.data();
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    table.elbo_decomposition_forward.launch(forward, pool.stream());
    table.elbo_decomposition_backward.launch(backward, pool.stream());
  }
  const double pairs = static_cast<double>(c.batch) * static_cast<double>(c.batch) * c.dims;
  state.counters["Gexp/s"] = benchmark::Counter(2 * pairs * static_cast<double>(state.iterations()) / 1e9,
                                                benchmark::Counter::kIsRate);
  state.counters["workspace_MB"] = static_cast<double>(forward_bytes + backward_bytes) / 1e6;
}

[[maybe_unused]] const bool registered = [] {
  for (const ElboCase c : {ElboCase{64, 10, 2, 0},
                           {256, 10, 2, 0},
                           {1024, 10, 2, 0},
                           {4096, 10, 2, 0},
                           {1024, 64, 8, 0},
                           {256, 10, 2, 10},
                           {1024, 10, 2, 10}}) {
    const std::string name = "elbo_decomposition/" + std::to_string(c.batch) + "x" + std::to_string(c.dims) +
                             "_groups_of_" + std::to_string(c.group) +
                             (c.classes > 0 ? "_classes_" + std::to_string(c.classes) : "");
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { elbo_decomposition(state, c); })
        ->ArgName("threads")
        ->Arg(1)
        ->Arg(2)
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace cuelbo
