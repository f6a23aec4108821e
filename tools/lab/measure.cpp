#include "tools/lab/measure.hpp"

#include <algorithm>
#include <cmath>

#include "engine/error.hpp"
#include "tools/lab/inputs.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::size_t max_copies = 1000;
constexpr double warm_up_seconds = 0.02;
constexpr int min_samples = 50, max_samples = 2000;
constexpr double enough_seconds = 0.5;  // of all samples together, though the median is not known well
constexpr double known_well = 0.005;    // of the median: its notch

// Between the elements of a sorted list.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

bool is_known_well(std::vector<double> samples) {
  std::ranges::sort(samples);
  const double spread = quantile(samples, 0.75) - quantile(samples, 0.25);
  return 1.57 * spread / std::sqrt(static_cast<double>(samples.size())) <=
         known_well * quantile(samples, 0.5);
}

// Sorts the samples.
Measurement summarised(std::vector<double>& samples) {
  const std::ptrdiff_t third = std::ssize(samples) / 3;
  Measurement m{.samples = static_cast<int>(samples.size())};
  if (third > 0)
    m.drift =
        median({samples.end() - third, samples.end()}) / median({samples.begin(), samples.begin() + third});
  std::ranges::sort(samples);
  m.seconds = quantile(samples, 0.5);
  m.first_quartile = quantile(samples, 0.25);
  m.third_quartile = quantile(samples, 0.75);
  m.p90 = quantile(samples, 0.9);
  m.p99 = quantile(samples, 0.99);
  return m;
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
  std::vector<std::function<void(kernels::Stream)>> calls;
  for (const CallMemory& copy : copies_)
    calls.push_back(contract_.bind(table, shape_, copy.addresses(), copy.workspace()));
  const auto launch_all = [&] {
    for (const auto& call : calls) call(device_.stream());
  };
  launch_all();  // what a first launch sets up cannot be captured
  device_.synchronize();
  const std::unique_ptr<DeviceGraph> graph = device_.capture(launch_all);
  const auto sample = [&] {
    return *device_.seconds([&] { graph == nullptr ? launch_all() : graph->launch(); });
  };
  for (double spent = 0; spent < warm_up_seconds;) spent += sample();

  std::vector<double> samples;
  double spent = 0;
  const auto enough = [&] {
    const std::ptrdiff_t n = std::ssize(samples);
    if (n < min_samples) return false;
    return spent >= enough_seconds || n >= max_samples || (n % min_samples == 0 && is_known_well(samples));
  };
  while (!enough()) {
    const double seconds = sample();
    spent += seconds;
    samples.push_back(seconds / static_cast<double>(copies_.size()));
  }
  Measurement m = summarised(samples);
  m.launches = static_cast<int>(copies_.size());
  return m;
}

std::vector<Shape> measured_shapes(const Contract& contract) {
  std::vector<Shape> shapes;
  for (const char* const text : contract.measured()) shapes.push_back(contract.complete(parse_shape(text)));
  return shapes;
}

}  // namespace cuelbo::lab
