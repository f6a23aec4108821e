// A replayed program asks for no memory: neither from the heap nor from the device.
#include "tests/engine/allocation_count.hpp"

#include <cstdlib>

#include "engine/optimizer.hpp"
#include "tests/engine/engine_test.hpp"

namespace cuelbo::test {
namespace {

// Passes everything on and counts what is allocated.
class CountingDevice final : public Device {
 public:
  explicit CountingDevice(int threads) : device_(open_device({.name = "cpu", .threads = threads})) {}

  const std::string& name() const override { return device_->name(); }
  const std::string& description() const override { return device_->description(); }
  const kernels::KernelTable& kernels() const override { return device_->kernels(); }
  kernels::Stream stream() const override { return device_->stream(); }
  void* allocate(std::size_t bytes) override {
    ++allocations;
    return device_->allocate(bytes);
  }
  void release(void* memory, std::size_t bytes) noexcept override { device_->release(memory, bytes); }
  void upload(void* device, const void* host, std::size_t bytes) override {
    device_->upload(device, host, bytes);
  }
  void download(void* host, const void* device, std::size_t bytes) override {
    device_->download(host, device, bytes);
  }
  void synchronize() override { device_->synchronize(); }
  std::unique_ptr<Prefetch> prefetch(std::size_t bytes) override { return device_->prefetch(bytes); }

  int allocations = 0;

 private:
  std::unique_ptr<Device> device_;
};

// An autoencoder with convolutions, batch norm, a Gaussian and a Concrete latent and their decomposition.
struct Training {
  explicit Training(Device& device) : parameters(device), program(device, parameters) {
    images = program.input("images", {batch, 8, 8, 1});
    coefficients = program.step_values("coefficients", Floats{1, 1, 1, 1});
    const Conv2dGeometry g{.kernel = 4, .stride = 2, .padding = 1};
    const Tensor features = conv2d(images, weight({6, 4, 4, 1}), weight({6}), g, Activation::relu);
    const BatchNormParameters normalization{weight({6}), weight({6}), weight({6}, false), weight({6}, false)};
    const Tensor flat =
        reshape(batch_norm(features, normalization, true, Activation::leaky_relu), {batch, 96});
    const Tensor mean = linear(flat, weight({3, 96}), weight({3})),
                 logvar = linear(flat, weight({3, 96}), weight({3}));
    const Tensor logits = linear(flat, weight({4, 96}), {});
    const Tensor z = reparameterize(mean, logvar), y = concrete(logits, 0.66F), q = softmax(logits);
    const Tensor hidden = linear(concat_columns({z, y}), weight({96, 7}), weight({96}), Activation::tanh);
    const Tensor decoded =
        conv2d_transpose(reshape(hidden, {batch, 4, 4, 6}), weight({6, 4, 4, 1}), weight({1}), g);
    const Tensor log_q = elbo_decomposition(
        {.z = z, .mean = mean, .logvar = logvar, .row_probabilities = q, .probabilities = q},
        {{0, 3, 0, 1}, {0, 3, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 1}}, {4},
        {.own = 0.1, .next = 0.1, .other = 0.1});
    const Tensor terms = multiply(mean_rows(log_q), coefficients);
    loss = add(sum(terms), sum(bernoulli_log_likelihood(decoded, images), -1.0F / batch));
    loss = add(loss, sum(gaussian_log_density(z, mean, logvar), 1.0F / batch));
    program.keep(loss);
    adam = std::make_unique<Adam>(program, program.gradients(loss), AdamOptions{.gradient_clip = 1});
    program.plan();
  }

  void step(std::int64_t number) {
    program.set_step(7, static_cast<std::uint64_t>(number));
    adam->set_step(number, 1e-3);
    program.set_step_values(coefficients, values);
    program.prefetch(images, pixels);
    program.replay();
    last = program.read_scalar(loss);
  }

  Tensor weight(Shape shape, bool trained = true) {
    const auto n = static_cast<std::uint64_t>(parameters.parameters().size());
    const std::int64_t size = element_count(shape);
    const int index =
        parameters.create(fmt::format("p{}", n), std::move(shape), uniform(size, n, 0.1F, 0.3F), trained);
    return program.parameter(index);
  }

  static constexpr std::int64_t batch = 9;
  std::unique_ptr<Adam> adam;
  ParameterSet parameters;
  Program program;
  Tensor images, coefficients, loss;
  Floats pixels = uniform(batch * 64, 1, 0, 1), values = {1, 0.5F, 2, 1};
  float last = 0;
};

TEST(Allocation, TheCounterCounts) {
  if (!allocations_are_counted) GTEST_SKIP() << "a sanitizer has its own malloc";
  const std::int64_t before = allocation_count();
  static_cast<void>(Floats(1000).size());
  void* volatile memory = std::malloc(10);
  std::free(memory);
  auto* volatile number = new int(1);
  delete number;
  EXPECT_GE(allocation_count() - before, 2);
}

TEST(Allocation, NoneInATrainingStep) {
  for (const int threads : {1, 2}) {
    SCOPED_TRACE(threads);
    CountingDevice device(threads);
    Training training(device);
    training.step(1);
    const int device_before = device.allocations;
    const std::int64_t before = allocation_count();
    for (int i = 2; i < 20; ++i) training.step(i);
    EXPECT_EQ(allocation_count() - before, 0);
    EXPECT_EQ(device.allocations, device_before);
    EXPECT_TRUE(std::isfinite(training.last));
  }
}

// All activations, gradients and workspaces come from one arena.
TEST(Allocation, PlanningTakesOneArena) {
  CountingDevice device(1);
  ParameterSet parameters(device);
  const int w = parameters.create("w", {3, 4}, uniform(12, 1));
  Program program(device, parameters);
  Tensor x = program.input("x", {5, 4});
  program.gradients(sum(linear(x, program.parameter(w), {}, Activation::tanh)));
  const int before = device.allocations;
  program.plan();
  EXPECT_EQ(device.allocations, before + 1);
}

}  // namespace
}  // namespace cuelbo::test
