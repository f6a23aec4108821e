// `cuelbo kernels check`.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/check.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/device_option.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"
#include "tools/lab/thread_order.hpp"
#include "tools/output.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

struct CheckOptions {
  std::string kernel;  // empty: all; KERNEL or KERNEL/VARIANT
  DeviceOptions device{.name = "simt"};
  std::string shape, order;
};

struct VariantReport {
  KernelVariant variant;
  double tolerance = 0;
  bool executed = false;
  lab::CheckResult result;

  std::string name() const { return variant.kernel + "/" + variant.name; }
};

Json to_json(const VariantReport& report) {
  const lab::CheckResult& result = report.result;
  Json json{{"kernel", report.variant.kernel}, {"variant", report.variant.name}};
  if (!report.executed) {
    json["result"] = "not executed";
    json["library"] = report.variant.library;
    return json;
  }
  json["result"] = result.faults.empty() ? "passed" : "failed";
  json["checks"] = result.checks;
  json["error"] = result.error;
  json["tolerance"] = report.tolerance;
  json["faults"] = Json::array();
  for (const lab::Fault& fault : result.faults)
    json["faults"].push_back({{"shape", lab::to_json(fault.shape)},
                              {"inputs", lab::name_of(fault.inputs)},
                              {"fault", fault.text}});
  return json;
}

void print(const VariantReport& report, const std::string& device) {
  const lab::CheckResult& result = report.result;
  if (!report.executed) {
    fmt::print("{:<7} {}  calls {}: not executed on {}\n", "-", report.name(), report.variant.library,
               device);
    return;
  }
  fmt::print("{:<7} {}  {} checks, error {:.1e} of {:.0e} allowed\n",
             result.faults.empty() ? "passed" : "FAILED", report.name(), result.checks, result.error,
             report.tolerance);
  constexpr std::size_t most = 3;
  for (std::size_t i = 0; i < result.faults.size() && i < most; ++i) {
    const lab::Fault& fault = result.faults[i];
    fmt::print("        {}{}: {}\n", lab::to_string(fault.shape),
               fault.inputs == lab::Inputs::non_finite ? ", inputs with NaN and Inf" : "", fault.text);
  }
  if (result.faults.size() > most) fmt::print("        and {} more shapes\n", result.faults.size() - most);
}

int run_check(const CheckOptions& options) {
  const std::unique_ptr<Device> device = open_device(options.device);
  if (device->name() == "cpu")
    usage_fail("--device {}: variants run on simt, simt-checked, cuda or cuda:N", options.device.name);
  const DeviceModule& module = load_device_module(device->name());
  const auto variants = lab::select(module.variants(), options.kernel);
  // A shape that a kernel does not have is said before anything runs.
  const auto shapes_of = [&](const lab::Contract& contract) {
    std::vector<lab::Shape> shapes = contract.checked_shapes();
    if (!options.shape.empty()) shapes = {lab::parse_shape(options.shape)};
    for (lab::Shape& shape : shapes) shape = contract.complete(shape);
    return shapes;
  };
  for (const KernelVariant& v : variants) shapes_of(lab::find_contract(v.kernel));

  std::vector<int> orders{0, 1, 2};
  if (!options.order.empty()) {
    if (module.set_order == nullptr) usage_fail("--order: {} has no order of threads", device->name());
    orders = {lab::parse_thread_order(options.order)};
  }

  std::vector<VariantReport> reports;
  for (const KernelVariant& v : variants) {
    const lab::Contract& contract = lab::find_contract(v.kernel);
    VariantReport report{.variant = v, .tolerance = contract.tolerance()};
    // The CPU has no GPU library to call.
    report.executed = v.library.empty() || module.set_order == nullptr;
    if (report.executed)
      report.result = lab::check(*device, module, *module.table(v.kernel, v.name), v, contract,
                                 shapes_of(contract), orders);
    if (!json_wanted()) print(report, device->name());
    reports.push_back(std::move(report));
  }

  const auto executed = std::ranges::count_if(reports, [](const auto& r) { return r.executed; });
  const auto failed = std::ranges::count_if(reports, [](const auto& r) { return !r.result.faults.empty(); });
  const auto left = std::ssize(reports) - executed;
  if (json_wanted() && executed > 0) {
    Json list = Json::array();
    for (const VariantReport& report : reports) list.push_back(to_json(report));
    print_json(Json{{"device", options.device.name},
                    {"variants", list},
                    {"checked", executed},
                    {"failed", failed},
                    {"not_executed", left}});
  } else if (!json_wanted()) {
    fmt::print("{} variant{} checked on {}, {} failed", executed, executed == 1 ? "" : "s",
               options.device.name, failed);
    fmt::print("{}\n", left == 0 ? "" : fmt::format("; {} of libraries not executed", left));
  }
  if (executed == 0) fail("nothing was checked: {} only runs on a GPU", reports.front().name());
  return failed == 0 ? exit_done : exit_failed;
}

}  // namespace

void add_kernels_check(CLI::App& kernels, Run& run) {
  add_command<CheckOptions>(
      kernels, run, "check", "Compare variants with the double-precision reference",
      [](CLI::App& command, CheckOptions& options) {
        command.add_option("KERNEL", options.kernel, "KERNEL or KERNEL/VARIANT; all if left out");
        add_lab_device(command, options.device,
                       "simt, simt-checked (races, uninitialised memory, bad addresses), cuda or cuda:N");
        command.add_option("--shape", options.shape,
                           "Sizes, as in rows=128,in=784; the usual ones if left out");
        command.add_option("--order", options.order,
                           "Order of threads on simt: forward, reverse or random; all three if left out");
      },
      run_check);
}

}  // namespace cuelbo
