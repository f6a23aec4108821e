// This project's side of a comparison: runs what it is told, writes what came out, then takes time on request.
//
//   cuelbo_peer training CONFIG IMAGES RESULT [KEY=VALUE]…   training steps of a configuration on one batch
//   cuelbo_peer decomposition GROUPS CODES RESULT THREADS    the ELBO decomposition alone, forward and backward
//   cuelbo_peer fma_peak THREADS
//
// IMAGES has `images` (B, H, W, C); CODES has `z`, `mean`, `logvar` (B, D) and `weight` (B, blocks). All are safetensors.
// Training: RESULT gets every initial parameter as `value.NAME`, its gradient in step 0 as `gradient.NAME`, and the
// `losses` of steps 0, 1, …. Decomposition, of the loss Σ weight · log q̂: `log_q`, `gradient.z`, `gradient.mean`,
// `gradient.logvar`.
// Then each line "run N" on standard input is answered by the milliseconds that a step took, over N steps, by the clock
// and of processor time. Every answer is a line of JSON.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/peers/fma_peak.hpp"
#include "engine/cpu_device.hpp"
#include "engine/error.hpp"
#include "engine/io/safetensors.hpp"
#include "models/programs.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t dataset_size = 60000;  // N of the estimator; the other side has the same number
constexpr int checked_steps = 5;

using Json = nlohmann::json;

void answer(const Json& json) { std::cout << json.dump() << '\n' << std::flush; }

double program_flops(const Program& program) {
  double flops = 0;
  for (const Program::Launch& launch : program.launches()) flops += launch.cost.operations();
  return flops;
}

class Result {
 public:
  void add(const std::string& name, Shape shape, const std::vector<float>& values) {
    content_.tensors.emplace(name, make_array(std::move(shape), values));
  }
  void write(const std::string& path) const { write_safetensors(path, content_); }

 private:
  Safetensors content_;
};

void serve(Device& device, const std::function<void()>& step) {
  using Clock = std::chrono::steady_clock;
  for (std::string line; std::getline(std::cin, line);) {
    int steps = 0;
    if (std::sscanf(line.c_str(), "run %d", &steps) != 1 || steps < 1)
      usage_fail("'{}' is not 'run N'", line);
    const std::clock_t cpu_start = std::clock();
    const auto start = Clock::now();
    for (int i = 0; i < steps; ++i) step();
    device.synchronize();
    answer({{"ms", std::chrono::duration<double, std::milli>(Clock::now() - start).count() / steps},
            {"cpu_ms", 1e3 * static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC / steps}});
  }
}

void training(const std::string& config_path, const std::string& images_path, const std::string& result_path,
              const std::vector<std::string>& overrides) {
  const RunConfig config = load_config(config_path, overrides);
  const Array images = read_safetensors(images_path).tensor("images");
  if (images.rank() != 4) usage_fail("'{}': images must be (B, H, W, C)", images_path);

  const auto device = open_device({.name = config.device, .threads = config.threads});
  ParameterSet parameters(*device);
  const Hfvae model(parameters, config, {images.shape[1], images.shape[2], images.shape[3]});
  TrainingProgram training(*device, parameters, model, images.shape[0], dataset_size);
  Program& program = training.program;
  program.write(training.images, images.as<float>());

  std::int64_t step = 0;
  const auto run_step = [&] {
    program.set_step(config.seed, static_cast<std::uint64_t>(step));
    program.set_adam_step(adam_step(config.adam, config.learning_rate.at(step), step + 1));
    program.replay();
    ++step;
  };

  Result result;
  const auto count = static_cast<int>(parameters.parameters().size());
  for (int i = 0; i < count; ++i)
    result.add("value." + parameters.parameter(i).name, parameters.parameter(i).shape, parameters.read(i));
  std::vector<float> losses;
  while (step < checked_steps) {
    run_step();
    losses.push_back(program.read_scalar(training.loss));
    if (step > 1) continue;
    for (int i = 0; i < count; ++i) {
      const Parameter& parameter = parameters.parameter(i);
      if (!parameter.trained) continue;
      // Adam's first moment after one step is (1 − β₁) · gradient.
      std::vector<float> gradient = parameters.read(i, ParameterSet::Kind::first_moment);
      for (float& g : gradient) g /= static_cast<float>(1 - config.adam.beta1);
      result.add("gradient." + parameter.name, parameter.shape, gradient);
    }
  }
  result.add("losses", {checked_steps}, losses);
  result.write(result_path);
  answer({{"device", device->description()},
          {"flops", program_flops(program)},
          {"arena_bytes", program.arena_bytes()}});
  serve(*device, run_step);
}

void decomposition(const std::string& groups, const std::string& codes_path, const std::string& result_path,
                   int threads) {
  const Safetensors codes = read_safetensors(codes_path);
  const Shape shape = codes.tensor("z").shape;
  if (shape.size() != 2) usage_fail("'{}': z must be (B, D)", codes_path);
  const GroupTree tree = parse_groups(groups, shape[1], {});

  const auto device = open_device({.name = "cpu", .threads = threads});
  ParameterSet parameters(*device);
  Program program(*device, parameters);
  const auto input = [&](const char* name) { return program.input(name, shape, /*requires_gradient=*/true); };
  const Tensor z = input("z"), mean = input("mean"), logvar = input("logvar");
  const Tensor log_q = elbo_decomposition({.z = z, .mean = mean, .logvar = logvar}, tree.blocks(), {},
                                          mixture_weights(Estimator::hfvae, shape[0], dataset_size));
  const Tensor weight = program.input("weight", log_q.shape());
  program.keep(log_q);
  program.backward(sum(multiply(log_q, weight)));
  for (const Tensor x : {z, mean, logvar}) program.keep(program.gradient(x));
  program.plan();
  for (const Tensor x : {z, mean, logvar, weight}) program.write(x, codes.tensor(x.name()).as<float>());

  program.replay();
  Result result;
  result.add("log_q", log_q.shape(), program.read(log_q));
  for (const Tensor x : {z, mean, logvar})
    result.add("gradient." + x.name(), shape, program.read(program.gradient(x)));
  result.write(result_path);
  answer({{"device", device->description()},
          {"flops", program_flops(program)},
          {"arena_bytes", program.arena_bytes()}});
  serve(*device, [&] { program.replay(); });
}

int run(const std::vector<std::string>& arguments) {
  const std::string mode = arguments.empty() ? "" : arguments[0];
  if (mode == "training" && arguments.size() >= 4) {
    training(arguments[1], arguments[2], arguments[3], {arguments.begin() + 4, arguments.end()});
  } else if (mode == "decomposition" && arguments.size() == 5) {
    decomposition(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]));
  } else if (mode == "fma_peak" && arguments.size() == 2) {
    kernels::ThreadPool pool(std::stoi(arguments[1]));
    answer({{"flops", fma_peak(pool)}});
  } else {
    usage_fail("see the head of bench/peers/cuelbo_peer.cpp for the arguments");
  }
  return 0;
}

}  // namespace

}  // namespace cuelbo

int main(int argc, char** argv) {
  try {
    return cuelbo::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    std::cerr << "cuelbo_peer: " << e.what() << '\n';
    return dynamic_cast<const cuelbo::UsageError*>(&e) != nullptr ? 2 : 1;
  }
}
