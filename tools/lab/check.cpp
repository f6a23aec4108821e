#include "tools/lab/check.hpp"

#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "tools/lab/call_memory.hpp"
#include "tools/lab/normality.hpp"
#include "tools/lab/thread_order.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::uint64_t seed = 1;

// To nearest: bf16 ties to even, tf32 ties away from zero, as the conversion instructions do.
double to_bf16(double x) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x7fffU + (bits >> 16 & 1U)) & 0xffff0000U);
}
double to_tf32(double x) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(static_cast<float>(x)) + 0x1000U) & 0xffffe000U);
}

// One call: its inputs and what the reference makes of them.
class Call {
 public:
  Call(const KernelVariant& variant, const Contract& contract, Shape shape, Inputs inputs)
      : variant_(variant),
        contract_(contract),
        shape_(std::move(shape)),
        buffers_(contract.buffers(shape_)),
        shifted_(inputs == Inputs::integers),
        exact_(inputs == Inputs::integers && contract.exact_on_integers()) {
    const Inputs drawn = inputs == Inputs::integers && !exact_ ? Inputs::real : inputs;
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      std::vector<double>& v = given_[buffers_[i].name];
      if (buffers_[i].role == Role::output)
        v.assign(static_cast<std::size_t>(buffers_[i].count()), 0);
      else
        v = draw(buffers_[i], drawn, seed, i);
    }
    contract.prepare(shape_, given_);
    expected_ = given_;
    for (const Buffer& buffer : buffers_)
      if (buffer.factor && variant.precision != kernels::Precision::fp32)
        expected_.round(buffer.name, variant.precision == kernels::Precision::bf16 ? to_bf16 : to_tf32);
    if (!variant.own_noise) contract.reference(shape_, expected_);
  }

  struct Run {
    std::string fault;
    double error = 0;
    std::vector<std::byte> outputs;
  };
  Run run(Device& device, const kernels::KernelTable& table) {
    Run run;
    CallMemory memory(device, buffers_, contract_.workspace(table, shape_), shifted_ ? sizeof(float) : 0);
    for (std::size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_[i].role != Role::output) store(buffers_[i], given_[buffers_[i].name], memory.host(i));
    memory.upload();
    try {
      contract_.launch(table, shape_, memory.addresses(), memory.workspace(), device.stream());
      device.synchronize();
    } catch (const Error& error) {
      run.fault = error.what();
      return run;
    }
    memory.download();
    run.fault = memory.wrong_write();
    if (variant_.own_noise) {
      test_noise(memory, run);
      return run;
    }
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      if (buffers_[i].role == Role::input) continue;
      const std::span<const std::byte> actual = memory.host(i);
      compare(buffers_[i], actual, run);
      run.outputs.insert(run.outputs.end(), actual.begin(), actual.end());
    }
    return run;
  }

 private:
  bool agrees(double actual, double expected, double& error) const {
    error = 0;
    if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return true;
    if (contract_.non_finite() == NonFinite::spreads && !std::isfinite(actual) && !std::isfinite(expected))
      return true;
    if (actual == static_cast<double>(static_cast<float>(expected))) return true;  // Inf beyond fp32
    error = std::abs(actual - expected) / (1 + std::abs(expected));
    return error <= contract_.tolerance() && !(exact_ && expected == std::round(expected));
  }

  void compare(const Buffer& buffer, std::span<const std::byte> bytes, Run& run) {
    const std::vector<double>&expected = expected_[buffer.name], actual = load(buffer, bytes);
    std::size_t wrong = 0, first = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      double error = 0;
      const bool good = agrees(actual[k], expected[k], error) && !not_written(&bytes[k * sizeof(float)]);
      if (error > run.error || std::isnan(error)) run.error = error;
      if (!good && wrong++ == 0) first = k;
    }
    if (wrong == 0 || !run.fault.empty()) return;
    if (not_written(&bytes[first * sizeof(float)]))
      run.fault = fmt::format("{}[{}] is not written, or made of memory that is not", buffer.name, first);
    else
      run.fault = fmt::format("{}[{}] is {:.9g}, the reference {:.9g}{}", buffer.name, first, actual[first],
                              expected[first], exact_ ? ", and integers are exact" : "");
    run.fault += fmt::format("; {} of {} are wrong", wrong, expected.size());
  }

  void test_noise(CallMemory& memory, Run& run) const {
    Doubles values = given_;
    for (std::size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_[i].role != Role::input) values[buffers_[i].name] = load(buffers_[i], memory.host(i));
    const double distance = normal_distance(contract_.noise(shape_, values));
    if (run.fault.empty() && !(distance <= normal_distance_bound))
      run.fault = fmt::format("its noise is not standard normal: distance {:.3g}, of {:.3g} allowed",
                              distance, normal_distance_bound);
  }

  const KernelVariant& variant_;
  const Contract& contract_;
  Shape shape_;
  std::vector<Buffer> buffers_;
  bool shifted_, exact_;
  Doubles given_, expected_;
};

Call::Run run_in_orders(Call& call, Device& device, const DeviceModule& module,
                        const kernels::KernelTable& table, std::span<const int> orders) {
  if (module.set_order == nullptr) return call.run(device, table);
  Call::Run first;
  for (const int order : orders) {
    module.set_order(order, seed);
    Call::Run run = call.run(device, table);
    const char* const name = thread_orders[static_cast<std::size_t>(order)];
    if (order == orders.front()) {
      first = std::move(run);
    } else if (!run.fault.empty()) {
      first.fault = fmt::format("when threads run in {} order: {}", name, run.fault);
    } else if (run.outputs != first.outputs) {
      first.fault = fmt::format("gives other bits when threads run in {} order", name);
    }
    if (!first.fault.empty()) break;
  }
  module.set_order(0, seed);
  return first;
}

}  // namespace

CheckResult check(Device& device, const DeviceModule& module, const kernels::KernelTable& table,
                  const KernelVariant& variant, const Contract& contract, std::span<const Shape> shapes,
                  std::span<const int> orders) {
  std::vector<Inputs> kinds{Inputs::real, Inputs::integers};
  if (contract.non_finite() != NonFinite::unspecified && !variant.own_noise)
    kinds.push_back(Inputs::non_finite);
  CheckResult result;
  for (const Shape& shape : shapes) {
    for (const Inputs inputs : kinds) {
      ++result.checks;
      Call call(variant, contract, shape, inputs);
      const Call::Run run = run_in_orders(call, device, module, table, orders);
      if (run.error > result.error || std::isnan(run.error)) result.error = run.error;
      if (run.fault.empty()) continue;
      result.faults.push_back({shape, inputs, run.fault});
      break;
    }
  }
  return result;
}

}  // namespace cuelbo::lab
