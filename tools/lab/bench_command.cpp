// `cuelbo kernels bench`.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/measure.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;
using lab::Measurement;

struct BenchOptions {
  std::string kernel;  // empty: all; KERNEL or KERNEL/VARIANT
  DeviceOptions device{.name = "cuda"};
  std::string shape;
  bool json = false;
};

struct Rates {
  double gigabytes = 0, gigaflops = 0;  // a second, of the compulsory work
};
Rates rates(const kernels::Cost& cost, const Measurement& m) {
  return {.gigabytes = 1e-9 * cost.bytes / m.seconds, .gigaflops = 1e-9 * cost.flops / m.seconds};
}

Json about(const KernelVariant& v, const lab::Shape& shape) {
  return {{"kernel", v.kernel},
          {"variant", v.name},
          {"precision", lab::name_of(v.precision)},
          {"library", v.library.empty() ? Json() : Json(v.library)},
          {"shape", lab::to_json(shape)}};
}

Json to_json(const kernels::Cost& cost, std::size_t bytes, const Measurement& m) {
  const Rates r = rates(cost, m);
  return {{"seconds", m.seconds},
          {"quartiles", {m.first_quartile, m.third_quartile}},
          {"gigabytes_per_second", r.gigabytes},
          {"gigaflops", r.gigaflops},
          {"samples", m.samples},
          {"launches_per_sample", m.launches},
          {"memory_bytes", bytes}};
}

void print(const KernelVariant& v, const kernels::Cost& cost, const Measurement& m) {
  const Rates r = rates(cost, m);
  fmt::print("  {:<24} {:>10.2f} µs ({:.2f}–{:.2f}) {:>9.1f} GB/s {:>10.1f} GFLOP/s\n", v.name,
             1e6 * m.seconds, 1e6 * m.first_quartile, 1e6 * m.third_quartile, r.gigabytes, r.gigaflops);
}

// What is measured of one kernel.
struct Plan {
  const lab::Contract* contract;
  std::vector<KernelVariant> variants;
  std::vector<lab::Shape> shapes;
};

std::vector<Plan> make_plans(const std::vector<KernelVariant>& variants, const std::string& shape) {
  std::vector<Plan> plans;
  for (const auto& contract : lab::contracts()) {
    Plan plan{.contract = contract.get()};
    std::ranges::copy_if(variants, std::back_inserter(plan.variants),
                         [&](const KernelVariant& v) { return v.kernel == contract->name(); });
    if (plan.variants.empty()) continue;
    if (shape.empty())
      plan.shapes = lab::measured_shapes(*contract);
    else
      plan.shapes = {contract->complete(lab::parse_shape(shape))};
    plans.push_back(std::move(plan));
  }
  return plans;
}

int run_bench(const BenchOptions& options) {
  const std::unique_ptr<Device> device = open_device(options.device);
  if (device->name() == "cpu")
    usage_fail("--device {}: variants are measured on cuda or cuda:N", options.device.name);
  const DeviceModule& module = load_device_module(device->name());
  const std::vector<Plan> plans = make_plans(lab::select(module.variants(), options.kernel), options.shape);
  if (!device->seconds([] {}))
    usage_fail(
        "--device {}: {} has no clock of its own, so it tells nothing of a GPU's time; use cuda or cuda:N",
        options.device.name, device->name());

  Json results = Json::array();
  bool failed = false;
  for (const Plan& plan : plans)
    for (const lab::Shape& shape : plan.shapes) {
      std::size_t workspace = 0;
      for (const KernelVariant& v : plan.variants)
        workspace = std::max(workspace, plan.contract->workspace(*module.table(v.kernel, v.name), shape));
      const lab::Workbench bench(*device, *plan.contract, shape, workspace);
      const kernels::Cost cost = plan.contract->cost(shape);
      if (!options.json) fmt::print("{}  {}\n", plan.contract->name(), lab::to_string(shape));
      for (const KernelVariant& v : plan.variants) {
        Json result = about(v, shape);
        try {
          const Measurement m = bench.measure(*module.table(v.kernel, v.name));
          result.update(to_json(cost, bench.bytes(), m));
          if (!options.json) print(v, cost, m);
        } catch (const Error& error) {  // of a library that is not here, or refuses the shape
          result["error"] = error.what();
          failed = true;
          if (!options.json) fmt::print("  {:<24} {}\n", v.name, error.what());
        }
        results.push_back(std::move(result));
      }
    }
  if (options.json)
    fmt::print("{}\n", Json{{"device", device->description()},
                            {"cache_bytes", device->cache_bytes()},
                            {"results", std::move(results)}}
                           .dump(2));
  return failed ? exit_failed : exit_done;
}

}  // namespace

void add_kernels_bench(CLI::App& kernels, Run& run) {
  add_command<BenchOptions>(
      kernels, run, "bench", "Measure variants on a GPU by its own clock",
      [](CLI::App& command, BenchOptions& options) {
        command.add_option("KERNEL", options.kernel, "KERNEL or KERNEL/VARIANT; all if left out");
        command.add_option("--device", options.device.name, "cuda or cuda:N")->capture_default_str();
        command.add_option("--shape", options.shape,
                           "Sizes, as in rows=128,in=784; large ones of the models if left out");
        command.add_flag("--json", options.json, "Print JSON and nothing else");
      },
      run_bench);
}

}  // namespace cuelbo
