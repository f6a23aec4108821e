// Measuring, on the CPU's kernels with a clock that is made up.
#include "tools/lab/measure.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>

#include "engine/cpu_device.hpp"
#include "tests/support/error_checks.hpp"

namespace cuelbo::test {
namespace {

using lab::Workbench;

// Runs on the CPU and passes everything on; a launch of n graph nodes takes n · `times` seconds, in turn.
class ClockedDevice final : public Device {
 public:
  ClockedDevice(std::size_t cache_bytes, std::vector<double> times)
      : device_(open_cpu_device(1)), cache_bytes_(cache_bytes), times_(std::move(times)) {}

  const std::string& name() const override { return device_->name(); }
  const std::string& description() const override { return device_->description(); }
  const kernels::KernelTable& kernels() const override { return device_->kernels(); }
  kernels::Stream stream() const override {
    ++launches;
    return device_->stream();
  }
  void* allocate(std::size_t bytes) override { return device_->allocate(bytes); }
  void release(void* memory, std::size_t bytes) noexcept override { device_->release(memory, bytes); }
  void upload(void* to, const void* from, std::size_t bytes) override { device_->upload(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override {
    device_->download(to, from, bytes);
  }
  void synchronize() override {}
  std::unique_ptr<Prefetch> prefetch(std::size_t bytes) override { return device_->prefetch(bytes); }
  std::unique_ptr<DeviceGraph> capture(const std::function<void()>& work) override {
    struct Graph final : DeviceGraph {
      explicit Graph(std::function<void()> w) : work(std::move(w)) {}
      void launch() override { work(); }
      std::function<void()> work;
    };
    return std::make_unique<Graph>(work);
  }
  std::optional<double> seconds(const std::function<void()>& work) override {
    if (times_.empty()) return {};
    const int before = launches;
    work();
    return (launches - before) * times_[static_cast<std::size_t>(samples++) % times_.size()];
  }
  std::size_t cache_bytes() const override { return cache_bytes_; }

  mutable int launches = 0;
  int samples = 0;

 private:
  std::unique_ptr<Device> device_;
  std::size_t cache_bytes_;
  std::vector<double> times_;
};

const lab::Contract& add() { return lab::find_contract("add"); }
lab::Shape thousand() { return add().complete({{"count", 1000}}); }
constexpr std::size_t bytes_of_a_call = 3 * 1000 * sizeof(float);

TEST(Measure, LaunchesTakeTurnsOnTwiceTheCache) {
  ClockedDevice device(50'000, {1e-3});
  const Workbench bench(device, add(), thousand(), 0);
  EXPECT_EQ(bench.bytes(), 9 * bytes_of_a_call);  // the first multiple from 100 000 on
  const lab::Measurement m = bench.measure(device.kernels());
  EXPECT_EQ(m.launches, 9);
  EXPECT_GE(m.samples, 50);
  EXPECT_NEAR(m.seconds, 1e-3, 1e-12);
}

TEST(Measure, ALargeCallNeedsNoCopies) {
  ClockedDevice device(1000, {1e-3});
  EXPECT_EQ(Workbench(device, add(), thousand(), 0).bytes(), bytes_of_a_call);
  EXPECT_EQ(Workbench(device, add(), thousand(), 64).bytes(), bytes_of_a_call + 64);
}

TEST(Measure, TheMedianIsNotMovedByOutliers) {
  ClockedDevice device(0, {1e-3, 1e-3, 2e-3, 2e-3, 3e-3, 3e-3, 3e-3, 1.0});
  const lab::Measurement m = Workbench(device, add(), thousand(), 0).measure(device.kernels());
  EXPECT_GE(m.first_quartile, 1e-3);
  EXPECT_LE(m.first_quartile, m.seconds);
  EXPECT_LE(m.seconds, m.third_quartile);
  EXPECT_LE(m.third_quartile, 3e-3 + 1e-12);
}

TEST(Measure, StopsWhenTheMedianIsKnownOrTimeIsUp) {
  // Equal samples tell the median at once. Those of two kinds never do: it goes on to the limit, of time or of number.
  ClockedDevice steady(0, {1e-4}), slow(0, {1e-2, 2e-2}), quick(0, {1e-6, 2e-6});
  EXPECT_EQ(Workbench(steady, add(), thousand(), 0).measure(steady.kernels()).samples, 50);
  EXPECT_EQ(Workbench(slow, add(), thousand(), 0).measure(slow.kernels()).samples, 50);
  EXPECT_EQ(Workbench(quick, add(), thousand(), 0).measure(quick.kernels()).samples, 2000);
}

TEST(Measure, PercentilesAreThoseOfTheSamples) {
  std::vector<double> times(10, 1e-3);
  times.back() = 5e-3;
  ClockedDevice device(0, times);
  const lab::Measurement m = Workbench(device, add(), thousand(), 0).measure(device.kernels());
  EXPECT_NEAR(m.seconds, 1e-3, 1e-12);
  EXPECT_NEAR(m.p99, 5e-3, 1e-12);
  EXPECT_NEAR(m.third_quartile, 1e-3, 1e-12);
  EXPECT_LE(m.p90, m.p99);
}

TEST(Measure, AFallingClockShows) {
  // Noise keeps it measuring for half a second; half way through, everything takes twice as long.
  std::vector<double> times;
  for (int i = 0; i < 2000; ++i) times.push_back((i % 2 == 0 ? 1.0e-3 : 1.2e-3) * (i < 170 ? 1 : 2));
  ClockedDevice falling(0, times), steady(0, {1.0e-3, 1.2e-3});
  EXPECT_NEAR(Workbench(falling, add(), thousand(), 0).measure(falling.kernels()).drift, 2, 1e-6);
  EXPECT_NEAR(Workbench(steady, add(), thousand(), 0).measure(steady.kernels()).drift, 1, 1e-6);
}

TEST(Measure, ADeviceWithoutAClockIsRefused) {
  ClockedDevice device(0, {});
  EXPECT_TRUE(fails_with<UsageError>([&] { Workbench(device, add(), thousand(), 0); }, "has no clock"));
}

TEST(Measure, EveryKernelHasShapesToMeasure) {
  for (const auto& contract : lab::contracts()) {
    EXPECT_FALSE(lab::measured_shapes(*contract).empty()) << contract->name();
    EXPECT_NO_THROW(contract->complete(lab::parse_shape(contract->counted()))) << contract->name();
  }
}

}  // namespace
}  // namespace cuelbo::test
