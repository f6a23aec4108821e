// `cuelbo kernels check`.
#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "engine/closest_name.hpp"
#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/check.hpp"
#include "tools/lab/commands.hpp"

namespace cuelbo {

namespace {

using lab::Contract;
using lab::Inputs;
using lab::Shape;

struct CheckOptions {
  std::string kernel;  // empty: all; KERNEL or KERNEL/VARIANT
  std::string device = "simt";
  std::string shape;
  int threads = 0;
};

Shape parse_shape(const std::string& text) {
  Shape shape;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    double value = 0;
    const char* const first = item.data() + std::min(equals, item.size() - 1) + 1;
    const auto [last, error] = std::from_chars(first, item.data() + item.size(), value);
    if (equals == std::string::npos || error != std::errc() || last != item.data() + item.size())
      usage_fail("--shape: '{}' is no name=number, as in rows=128,in=784", item);
    shape[item.substr(0, equals)] = value;
    begin = end + 1;
  }
  return shape;
}

struct Tally {
  int known = 0, checks = 0, faults = 0;  // known: variants of that name
};

class Checker {
 public:
  explicit Checker(const CheckOptions& options)
      : options_(options),
        module_(load_device_module(options.device.substr(0, options.device.find(':')))),
        device_(open_device({.name = options.device, .threads = options.threads})),
        orders_(module_.set_order == nullptr ? 1 : 3) {}

  Tally run(const Contract& contract, const KernelVariant& variant) const {
    const std::string name = contract.name() + "/" + variant.name;
    // The CPU has no GPU library to call.
    if (!variant.library.empty() && module_.set_order != nullptr) {
      fmt::print("{:<7} {}  calls {}: not executed on {}\n", "-", name, variant.library, options_.device);
      return {.known = 1};
    }
    const kernels::KernelTable* const table = module_.table(contract.name(), variant.name);
    const std::vector<Shape> shapes =
        options_.shape.empty() ? contract.checked_shapes() : std::vector<Shape>{parse_shape(options_.shape)};
    Tally tally{.known = 1};
    double worst = 0;
    for (const Shape& given : shapes) {
      const Shape shape = contract.complete(given);
      for (const Inputs inputs : {Inputs::real, Inputs::integers}) {
        ++tally.checks;
        const lab::CheckResult result = in_all_orders(*table, variant, contract, shape, inputs);
        worst = std::max(worst, result.error);
        if (result.fault.empty()) continue;
        ++tally.faults;
        fmt::print("{}  {}: {}\n", name, lab::to_string(shape), result.fault);
        break;
      }
    }
    fmt::print("{:<7} {}  {} checks, error {:.1e} of {:.0e} allowed\n",
               tally.faults == 0 ? "passed" : "FAILED", name, tally.checks, worst, contract.tolerance());
    return tally;
  }

 private:
  // A kernel without races gives the same bits in every order.
  lab::CheckResult in_all_orders(const kernels::KernelTable& table, const KernelVariant& variant,
                                 const Contract& contract, const Shape& shape, Inputs inputs) const {
    lab::CheckResult first;
    for (int order = 0; order < orders_; ++order) {
      if (module_.set_order != nullptr) module_.set_order(order, 1);
      lab::CheckResult result = lab::check(*device_, table, variant, contract, shape, inputs);
      if (!result.fault.empty()) return result;
      if (order == 0)
        first = std::move(result);
      else if (result.outputs != first.outputs)
        first.fault =
            fmt::format("other bits when threads run in {} order", order == 1 ? "reverse" : "random");
    }
    return first;
  }

  const CheckOptions& options_;
  const DeviceModule& module_;
  std::unique_ptr<Device> device_;
  int orders_;
};

int run_check(const CheckOptions& options) {
  if (options.device == "cpu" || options.device == "auto")
    usage_fail("--device {}: variants run on simt, simt-checked, cuda or cuda:N", options.device);
  const Checker checker(options);
  const auto variants = load_device_module(options.device.substr(0, options.device.find(':'))).variants();
  const std::size_t slash = options.kernel.find('/');
  const std::string kernel = options.kernel.substr(0, slash),
                    variant = slash == std::string::npos ? "" : options.kernel.substr(slash + 1);
  Tally all;
  std::vector<std::string> names;
  for (const auto& contract : lab::contracts()) {
    names.push_back(contract->name());
    if (!kernel.empty() && kernel != contract->name()) continue;
    for (const KernelVariant& v : variants) {
      if (v.kernel != contract->name() || (!variant.empty() && variant != v.name)) continue;
      const Tally tally = checker.run(*contract, v);
      all.known += tally.known;
      all.checks += tally.checks;
      all.faults += tally.faults;
    }
  }
  if (all.known == 0)
    usage_fail("there is no kernel '{}'{}; `cuelbo kernels list` shows them", options.kernel,
               did_you_mean(kernel, names));
  fmt::print("{} checks on {}, {} failed\n", all.checks, options.device, all.faults);
  return all.faults == 0 ? exit_done : exit_failed;
}

}  // namespace

void add_kernels_check(CLI::App& kernels, Run& run) {
  add_command<CheckOptions>(
      kernels, run, "check", "Compare variants with the double-precision reference",
      [](CLI::App& command, CheckOptions& options) {
        command.add_option("KERNEL", options.kernel, "KERNEL or KERNEL/VARIANT; all if left out");
        command
            .add_option("--device", options.device,
                        "simt, simt-checked (races, uninitialised memory, bad addresses), cuda or cuda:N")
            ->capture_default_str();
        command.add_option("--shape", options.shape,
                           "Sizes, as in rows=128,in=784; the usual ones if left out");
        command.add_option("--threads", options.threads, "CPU threads of simt, 0 for all")
            ->check(CLI::NonNegativeNumber);
      },
      run_check);
}

}  // namespace cuelbo
