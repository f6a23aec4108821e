#include "tools/lab/measure.hpp"

#include <algorithm>
#include <cmath>

#include "engine/error.hpp"
#include "tools/lab/inputs.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::size_t max_copies = 1000;
constexpr double warm_up_seconds = 0.02;
constexpr int min_samples = 20, max_samples = 200;
constexpr double enough_seconds = 0.1;  // of all samples together

// Between the elements of a sorted list.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

}  // namespace

Workbench::Workbench(Device& device, const Contract& contract, const Shape& shape,
                     std::size_t workspace_bytes)
    : device_(device), contract_(contract), shape_(shape), copy_bytes_(workspace_bytes) {
  if (!device.seconds([] {}))
    usage_fail("{} has no clock: its time would say nothing of a GPU", device.name());
  const std::vector<Buffer> buffers = contract.buffers(shape);
  Doubles values;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    copy_bytes_ += buffers[i].bytes();
    if (buffers[i].role == Role::output)
      values[buffers[i].name].resize(static_cast<std::size_t>(buffers[i].count()));
    else
      values[buffers[i].name] = draw(buffers[i], Inputs::real, 1, i);
  }
  contract.prepare(shape, values);
  do {
    CallMemory& copy = copies_.emplace_back(device, buffers, workspace_bytes);
    for (std::size_t i = 0; i < buffers.size(); ++i)
      if (buffers[i].role != Role::output) store(buffers[i], values[buffers[i].name], copy.host(i));
    copy.upload();
  } while (bytes() < 2 * device.cache_bytes() && copies_.size() < max_copies);
}

Measurement Workbench::measure(const kernels::KernelTable& table) const {
  const auto launch_all = [&] {
    for (const CallMemory& copy : copies_)
      contract_.launch(table, shape_, copy.addresses(), copy.workspace(), device_.stream());
  };
  launch_all();  // what a first launch sets up cannot be captured
  device_.synchronize();
  const std::unique_ptr<DeviceGraph> graph = device_.capture(launch_all);
  const auto sample = [&] { return *device_.seconds([&] { graph->launch(); }); };
  for (double spent = 0; spent < warm_up_seconds;) spent += sample();

  std::vector<double> samples;
  for (double spent = 0;
       std::ssize(samples) < min_samples || (spent < enough_seconds && std::ssize(samples) < max_samples);) {
    const double seconds = sample();
    spent += seconds;
    samples.push_back(seconds / static_cast<double>(copies_.size()));
  }
  std::ranges::sort(samples);
  return {.seconds = quantile(samples, 0.5),
          .first_quartile = quantile(samples, 0.25),
          .third_quartile = quantile(samples, 0.75),
          .samples = static_cast<int>(samples.size()),
          .launches = static_cast<int>(copies_.size())};
}

}  // namespace cuelbo::lab
