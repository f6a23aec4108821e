// `cuelbo kernels bench`.
#include <algorithm>

#include <fmt/format.h>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/bench_rows.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/device_option.hpp"
#include "tools/lab/launches.hpp"
#include "tools/lab/origin.hpp"
#include "tools/lab/profile.hpp"
#include "tools/lab/select.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct BenchOptions {
  std::string kernel;  // empty: all; KERNEL or KERNEL/VARIANT
  DeviceOptions device{.name = "cuda"};
  std::string shape, gpu;  // gpu: empty: the one that it is, or the H100 of what is counted
  bool counters = false;
};

// The variants and shapes of a kernel to measure.
struct Plan {
  const lab::Contract* contract;
  std::vector<KernelVariant> variants;
  std::vector<lab::Shape> shapes;
};

std::vector<Plan> make_plans(const std::vector<KernelVariant>& variants, const std::string& shape,
                             bool counted) {
  std::vector<Plan> plans;
  for (const auto& contract : lab::contracts()) {
    Plan plan{.contract = contract.get()};
    std::ranges::copy_if(variants, std::back_inserter(plan.variants),
                         [&](const KernelVariant& v) { return v.kernel == contract->name(); });
    if (plan.variants.empty()) continue;
    if (!shape.empty() || counted)
      plan.shapes = {contract->complete(lab::parse_shape(shape.empty() ? contract->counted() : shape))};
    else
      plan.shapes = lab::measured_shapes(*contract);
    plans.push_back(std::move(plan));
  }
  return plans;
}

// The CPU has one implementation of each kernel.
std::vector<KernelVariant> cpu_variants() {
  std::vector<KernelVariant> variants;
  for (const auto& contract : lab::contracts())
    variants.push_back({.kernel = std::string(contract->name()), .name = "cpu", .trained = true});
  return variants;
}

class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        device_(open_device(options.device)),
        module_(device_->name() == "cpu" ? nullptr : &load_device_module(device_->name())) {
    if (device_->name() == "simt")
      usage_fail("--device simt: it has no clock; simt-checked counts in place of measuring");
    if (options.counters && !device_->name().starts_with("cuda"))
      usage_fail("--counters: {} has no hardware counters; cuda has", device_->name());
    if (!options.gpu.empty()) gpu_ = &lab::find_gpu(options.gpu);
    if (counted() && gpu_ == nullptr) gpu_ = &lab::find_gpu("h100");
    if (!counted() && gpu_ == nullptr) gpu_ = lab::described_gpu(device_->description());
  }

  int run() {
    const auto variants =
        lab::select(module_ == nullptr ? cpu_variants() : module_->variants(), options_.kernel);
    for (const Plan& plan : make_plans(variants, options_.shape, counted()))
      for (const lab::Shape& shape : plan.shapes) {
        if (!json_wanted()) fmt::print("{}  {}\n", plan.contract->name(), lab::to_string(shape));
        if (counted())
          count(plan, shape);
        else
          time(plan, shape);
        std::fflush(stdout);
      }
    if (json_wanted()) print_results();
    return failed_ ? exit_failed : exit_done;
  }

 private:
  bool counted() const { return device_->name() == "simt-checked"; }

  void print_results() {
    Json json;
    for (const auto& [key, value] : lab::measurement_origin()) json[key] = value;
    json["device"] = device_->description();
    json["cache_bytes"] = device_->cache_bytes();
    json["results"] = std::move(results_);
    print_json(json);
  }

  lab::BenchedCall call(const Plan& plan, const KernelVariant& v, const lab::Shape& shape) const {
    return {v, shape, plan.contract->cost(shape),
            fmt::format("cuelbo kernels bench {}{} --device {} --shape {}", v.kernel,
                        module_ == nullptr ? "" : "/" + v.name, options_.device.name, lab::to_string(shape))};
  }

  // By simt, which runs nothing here; nothing: it is not there, or the kernels are a library's.
  std::optional<lab::MainKernel> compiled(const KernelVariant& v, const lab::Shape& shape) const {
    if (gpu_ == nullptr || module_ == nullptr || !v.library.empty()) return {};
    try {
      const char* const name = counted() ? "simt-checked" : "simt";
      const std::unique_ptr<Device> simt = open_device({.name = name});
      return lab::main_kernel(
          lab::report_resources(lab::launches_of(v, shape, load_device_module(name), *simt),
                                lab::find_cuda_code()),
          *gpu_);
    } catch (const Error&) {
      return {};
    }
  }

  void time(const Plan& plan, const lab::Shape& shape) {
    const auto table = [&](const KernelVariant& v) -> const kernels::KernelTable& {
      return module_ == nullptr ? device_->kernels() : *module_->table(v.kernel, v.name);
    };
    std::size_t workspace = 0;
    for (const KernelVariant& v : plan.variants)
      workspace = std::max(workspace, plan.contract->workspace(table(v), shape));
    const lab::Workbench bench(*device_, *plan.contract, shape, workspace);
    std::vector<lab::TimedRow> rows;
    for (const KernelVariant& v : plan.variants) {
      lab::TimedRow& row =
          rows.emplace_back(lab::TimedRow{.call = call(plan, v, shape), .memory_bytes = bench.bytes()});
      try {
        row.measured = bench.measure(table(v));
        if (options_.counters)
          row.counters = lab::count_in_hardware(v.kernel + "/" + v.name, shape, options_.device.name);
      } catch (const Error& error) {  // of a library that is not here, or refuses the shape
        row.error = error.what();
        failed_ = true;
      }
      if (gpu_ != nullptr && module_ != nullptr)
        row.floor_seconds = lab::floor(*gpu_, row.call.cost, v.precision).seconds();
      row.compiled = compiled(v, shape);
    }
    if (!json_wanted()) lab::print_timed_header();
    for (lab::TimedRow& row : rows) {
      for (const lab::TimedRow& other : rows)
        if (!other.call.variant.library.empty() && other.error.empty() &&
            other.call.variant.precision == row.call.variant.precision)
          row.library_seconds =
              std::min(row.library_seconds.value_or(other.measured.seconds), other.measured.seconds);
      results_.push_back(lab::to_json(row));
      if (!json_wanted()) lab::print(row);
    }
  }

  void count(const Plan& plan, const lab::Shape& shape) {
    if (!json_wanted()) lab::print_counted_header();
    for (const KernelVariant& v : plan.variants) {
      if (!v.library.empty()) continue;
      const auto launches = lab::launches_of(v, shape, *module_, *device_);
      lab::CountedRow row{.call = call(plan, v, shape),
                          .profile = lab::profile_variant(v, shape, 1, *module_, *device_)};
      row.gpu = gpu_;
      row.bound = lab::bound(*gpu_, row.call.cost, v.precision, row.profile, launches);
      row.floor_seconds = lab::floor(*gpu_, row.call.cost, v.precision).seconds();
      row.compiled = compiled(v, shape);
      results_.push_back(lab::to_json(row));
      if (!json_wanted()) lab::print(row);
    }
  }

  const BenchOptions& options_;
  std::unique_ptr<Device> device_;
  const DeviceModule* module_;  // null: the CPU
  const lab::Gpu* gpu_ = nullptr;
  Json results_ = Json::array();
  bool failed_ = false;
};

}  // namespace

void add_kernels_bench(CLI::App& kernels, Run& run) {
  add_command<BenchOptions>(
      kernels, run, "bench",
      "Measure variants side by side on a GPU or the CPU; without one, count what they do",
      [](CLI::App& command, BenchOptions& options) {
        command.add_option("KERNEL", options.kernel, "KERNEL or KERNEL/VARIANT; all if left out");
        add_lab_device(command, options.device, "cuda, cuda:N or cpu; simt-checked counts and has no time");
        command.add_option(
            "--shape", options.shape,
            "Sizes, as in rows=128,in=784; if left out, large ones of the models, or small ones to count");
        command.add_option("--gpu", options.gpu,
                           "GPU of the roofline: h100, a100, rtx4090 or rtx5090; detected if left out");
        command.add_flag("--counters", options.counters,
                         "Also the counts of Nsight Compute (ncu) for one launch on cuda");
      },
      [](const BenchOptions& options) { return Bench(options).run(); });
}

}  // namespace cuelbo
