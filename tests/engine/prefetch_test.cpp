// Inputs that are brought to the device beside what runs, on the CPU and through the CUDA device's host code, whose streams
// run in any order that its events allow.
#include <limits>
#include <thread>

#include "engine/device_module.hpp"
#include "engine/optimizer.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct StreamOrder {
  const char* device;
  int order;  // of streams and threads: 0 forward, 1 reverse, 2 random
  std::uint64_t seed;
};
std::string order_name(const testing::TestParamInfo<StreamOrder>& info) {
  constexpr const char* orders[] = {"Forward", "Reverse", "Random"};
  const std::string device = info.param.device;
  return device.substr(0, device.find('-')) + (device == "simt-checked" ? "Checked" : "") +
         orders[info.param.order] + std::to_string(info.param.seed);
}

std::ostream& operator<<(std::ostream& out, const StreamOrder& order) {
  return out << order.device << ", order " << order.order << ", seed " << order.seed;
}

class PrefetchTest : public testing::TestWithParam<StreamOrder> {
 protected:
  void SetUp() override {
    const StreamOrder order = GetParam();
    if (order.device != std::string_view("cpu")) {
      for (const DeviceReport& report : list_devices())
        if (report.name == order.device && !report.usable) GTEST_SKIP() << report.detail;
      load_device_module(order.device).set_order(order.order, order.seed);
    }
    device_ = open_device({.name = order.device, .threads = 1});
  }
  std::unique_ptr<Device> device_;
};
INSTANTIATE_TEST_SUITE_P(Orders, PrefetchTest,
                         testing::Values(StreamOrder{"cpu", 0, 0}, StreamOrder{"simt", 0, 0},
                                         StreamOrder{"simt", 1, 0}, StreamOrder{"simt", 2, 1},
                                         StreamOrder{"simt", 2, 2}, StreamOrder{"simt-checked", 1, 0}),
                         order_name);

// y = mean over the batch of tanh(x · w), with w trained.
struct Training {
  explicit Training(Device& device) : parameters(device), w(parameters.create("w", {4, 3}, uniform(12, 1))) {
    program = std::make_unique<Program>(device, parameters);
    x = program->input("x", {8, 3});
    const Tensor y = linear(x, program->parameter(w), {}, Activation::tanh);
    loss = sum(multiply(y, y), 0.5F);
    program->keep(loss);
    adam = std::make_unique<Adam>(*program, program->gradients(loss), AdamOptions{});
    program->plan();
  }
  static Floats batch(int step) { return uniform(24, 100 + static_cast<std::uint64_t>(step)); }
  float replay(std::int64_t step) {
    adam->set_step(step + 1, 0.1);
    program->replay();
    return step % 2 == 0 ? program->read_scalar(loss) : 0;  // some steps are not waited for
  }

  ParameterSet parameters;
  int w;
  std::unique_ptr<Program> program;
  std::unique_ptr<Adam> adam;
  Tensor x, loss;
};

constexpr int steps = 7;

Floats losses_with_write(Device& device) {
  Training training(device);
  Floats losses;
  for (int step = 0; step < steps; ++step) {
    training.program->write(training.x, Training::batch(step));
    losses.push_back(training.replay(step));
  }
  return losses;
}

Floats losses_with_prefetch(Device& device) {
  Training training(device);
  Floats losses;
  Floats host = Training::batch(0);
  training.program->prefetch(training.x, host);
  for (int step = 0; step < steps; ++step) {
    training.adam->set_step(step + 1, 0.1);
    training.program->replay();
    host = Training::batch(step + 1);
    training.program->prefetch(training.x, host);
    losses.push_back(step % 2 == 0 ? training.program->read_scalar(training.loss) : 0);
  }
  return losses;
}

TEST_P(PrefetchTest, TrainingIsTheSameToTheBit) {
  EXPECT_TRUE(same_bits(losses_with_prefetch(*device_), losses_with_write(*device_)));
}

// Nothing waits between the copies, so each of them depends on events alone.
TEST_P(PrefetchTest, CopiesArriveInTheirOrder) {
  constexpr std::size_t count = 1000;
  std::vector<DeviceMemory> targets;
  const auto prefetch = device_->prefetch(count * sizeof(float));
  for (int i = 0; i < 6; ++i) targets.emplace_back(*device_, count * sizeof(float));
  Floats host(count);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    host.assign(count, static_cast<float>(i + 1));
    prefetch->begin(host.data());
    prefetch->finish(targets[i].data());
    host.assign(count, nan);
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    device_->download(host.data(), targets[i].data(), count * sizeof(float));
    EXPECT_TRUE(same_bits(host, Floats(count, static_cast<float>(i + 1)))) << "copy " << i;
  }
}

TEST_P(PrefetchTest, WhatWasBegunLastArrives) {
  const auto prefetch = device_->prefetch(sizeof(float));
  const DeviceMemory target(*device_, sizeof(float));
  const float values[] = {1, 2, 3, 4};
  for (const float& value : values) prefetch->begin(&value);
  prefetch->finish(target.data());
  float arrived = 0;
  device_->download(&arrived, target.data(), sizeof arrived);
  EXPECT_EQ(arrived, 4);
}

TEST_P(PrefetchTest, TheSearchForNaNStillSeesTheInputThatFailed) {
  ParameterSet parameters(*device_);
  Program program(*device_, parameters);
  const Tensor x = program.input("x", {4});
  const Tensor y = sum(exp(x), 1);
  program.keep(y);
  program.plan();
  const Floats good(4, 0.0F), bad{0, 1000, 0, 0};
  program.prefetch(x, bad);
  program.replay();
  program.prefetch(x, good);
  EXPECT_TRUE(std::isinf(program.read_scalar(y)));
  EXPECT_NE(program.find_non_finite().find("exp"), std::string::npos);
  program.replay();
  EXPECT_EQ(program.read_scalar(y), 4);
}

TEST_P(PrefetchTest, RefusesWhatIsNoInput) {
  Training training(*device_);
  const Floats values(24);
  EXPECT_TRUE(
      fails_with([&] { training.program->prefetch(training.loss, Floats(1)); }, "it is not an input"));
  EXPECT_TRUE(
      fails_with([&] { training.program->prefetch(training.x, Floats(23)); }, "cannot write 23 values"));
  Program program(*device_, training.parameters);
  const Tensor x = program.input("x", {24});
  EXPECT_TRUE(fails_with([&] { program.prefetch(x, values); }, "must be planned before 'x' is prefetched"));
}

TEST_P(PrefetchTest, DevicesOfTwoThreadsKeepOutOfEachOthersWay) {
  const Floats expected = losses_with_prefetch(*device_);
  Floats losses[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i)
    threads[i] = std::thread([&, i] {
      const auto own = open_device({.name = GetParam().device, .threads = 1});
      losses[i] = losses_with_prefetch(*own);
    });
  for (std::thread& thread : threads) thread.join();
  for (const Floats& one : losses) EXPECT_TRUE(same_bits(one, expected));
}

// Opened here, used there.
TEST_P(PrefetchTest, ADeviceIsUsableFromAnotherThread) {
  const Floats expected = losses_with_write(*device_);
  Floats losses;
  std::thread([&] { losses = losses_with_prefetch(*device_); }).join();
  EXPECT_TRUE(same_bits(losses, expected));
}

}  // namespace
}  // namespace cuelbo::test
