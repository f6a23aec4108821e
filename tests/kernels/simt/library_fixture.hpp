// For tests of library variants: device memory, a stream with libraries, and an interpreter that computes noted calls
// in double precision.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kernels/runtime/libraries.hpp"
#include "kernels/runtime/simt/libraries/recording.hpp"
#include "kernels/variants.hpp"
#include "tests/support/kernel_buffer.hpp"

#include "kernels/runtime/cuda.hpp"

namespace cuelbo::test {

// Floats in an allocation of their own, beginning `offset` floats behind its start.
class DeviceFloats {
 public:
  explicit DeviceFloats(std::size_t size, std::size_t offset = 0) : size_(size), offset_(offset) {
    cudaMalloc(reinterpret_cast<void**>(&memory_), (size + offset) * sizeof(float));
  }
  explicit DeviceFloats(const std::vector<float>& values, std::size_t offset = 0)
      : DeviceFloats(values.size(), offset) {
    cudaMemcpy(data(), values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice);
  }
  ~DeviceFloats() { cudaFree(memory_); }
  DeviceFloats(const DeviceFloats&) = delete;
  DeviceFloats& operator=(const DeviceFloats&) = delete;

  float* data() const { return memory_ + offset_; }
  std::size_t size() const { return size_; }
  std::vector<float> host() const {
    std::vector<float> values(size_);
    cudaMemcpy(values.data(), data(), size_ * sizeof(float), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  float* memory_ = nullptr;
  std::size_t size_, offset_;
};

inline void interpret(const simt::Gemm& g) {
  for (std::int64_t j = 0; j < g.n; ++j)
    for (std::int64_t i = 0; i < g.m; ++i) {
      double sum = 0;
      for (std::int64_t p = 0; p < g.k; ++p)
        sum += static_cast<double>(g.transpose_a ? g.a[p + i * g.lda] : g.a[i + p * g.lda]) *
               static_cast<double>(g.transpose_b ? g.b[j + p * g.ldb] : g.b[p + j * g.ldb]);
      float& c = g.c[i + j * g.ldc];
      sum *= static_cast<double>(g.alpha);
      if (g.beta != 0) sum += static_cast<double>(g.beta * c);
      if (g.bias != nullptr) sum += static_cast<double>(g.bias[i]);
      c = static_cast<float>(g.relu ? std::max(sum, 0.0) : sum);
    }
}

inline void interpret(const simt::Convolution& c) {
  using Kind = simt::Convolution::Kind;
  const auto at = [](int a, int b, int bs, int d, int ds, int e, int es) {
    return ((static_cast<std::size_t>(a) * static_cast<std::size_t>(bs) + static_cast<std::size_t>(b)) *
                static_cast<std::size_t>(ds) +
            static_cast<std::size_t>(d)) *
               static_cast<std::size_t>(es) +
           static_cast<std::size_t>(e);
  };
  const std::size_t sizes[] = {at(c.y.batch, 0, c.y.height, 0, c.y.width, 0, c.y.channels),
                               at(c.x.batch, 0, c.x.height, 0, c.x.width, 0, c.x.channels),
                               at(c.w.outputs, 0, c.w.height, 0, c.w.width, 0, c.w.inputs)};
  std::vector<double> sums(sizes[static_cast<int>(c.kind)], 0);
  for (int b = 0; b < c.y.batch; ++b)
    for (int y = 0; y < c.y.height; ++y)
      for (int x = 0; x < c.y.width; ++x)
        for (int ky = 0; ky < c.w.height; ++ky)
          for (int kx = 0; kx < c.w.width; ++kx) {
            const int from_y = y * c.stride_y + ky * c.dilation_y - c.padding_y,
                      from_x = x * c.stride_x + kx * c.dilation_x - c.padding_x;
            if (from_y < 0 || from_y >= c.x.height || from_x < 0 || from_x >= c.x.width) continue;
            for (int o = 0; o < c.w.outputs; ++o)
              for (int i = 0; i < c.w.inputs; ++i) {
                const std::size_t of_y = at(b, y, c.y.height, x, c.y.width, o, c.y.channels),
                                  of_x = at(b, from_y, c.x.height, from_x, c.x.width, i, c.x.channels),
                                  of_w = at(o, ky, c.w.height, kx, c.w.width, i, c.w.inputs);
                const auto product = [](float p, float q) {
                  return static_cast<double>(p) * static_cast<double>(q);
                };
                switch (c.kind) {
                  case Kind::forward: sums[of_y] += product(c.x_data[of_x], c.w_data[of_w]); break;
                  case Kind::backward_data: sums[of_x] += product(c.y_data[of_y], c.w_data[of_w]); break;
                  case Kind::backward_filter: sums[of_w] += product(c.x_data[of_x], c.y_data[of_y]); break;
                }
              }
          }
  float* const outputs[] = {c.y_data, c.x_data, c.w_data};
  float* const output = outputs[static_cast<int>(c.kind)];
  for (std::size_t i = 0; i < sums.size(); ++i) {
    double value = static_cast<double>(c.alpha) * sums[i];
    if (c.beta != 0) value += static_cast<double>(c.beta * output[i]);
    if (c.bias != nullptr) value += static_cast<double>(c.bias[i % static_cast<std::size_t>(c.y.channels)]);
    output[i] = static_cast<float>(c.relu ? std::max(value, 0.0) : value);
  }
}

// Not noise, but values that identify their own positions.
inline float noise_value(std::size_t i) { return static_cast<float>(i % 64) / 16 - 2; }
inline void interpret(const simt::NormalNoise& n) {
  for (std::size_t i = 0; i < n.count; ++i) n.output[i] = n.mean + n.deviation * noise_value(i);
}
inline void interpret(std::monostate) {}

inline void interpret_call(const simt::LibraryCall& call) {
  std::visit([](const auto& work) { interpret(work); }, call.work);
}

class LibraryTest : public testing::Test {
 protected:
  LibraryTest() {
    simt::set_deferred(true);
    simt::set_order(simt::ThreadOrder::forward, 0);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    libraries_ = std::make_unique<kernels::Libraries>(stream_);
  }
  ~LibraryTest() override {
    libraries_.reset();
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(kernels::take_library_error(), "");
    EXPECT_EQ(simt::take_library_finding(), "");
    EXPECT_THAT(simt::live_library_objects(), testing::IsEmpty());
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }

  kernels::Stream stream() const { return {.handle = stream_, .libraries = libraries_.get()}; }
  void wait() const { EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess); }

  // Runs the variant with the workspace it asks for.
  template <class Args>
  void launch(const kernels::Variant<Args>& variant, Args args) const {
    const DeviceFloats workspace(
        variant.kernel.workspace == nullptr ? 0 : variant.kernel.workspace(args) / sizeof(float));
    if constexpr (requires { args.workspace; }) args.workspace = workspace.data();
    variant.kernel.launch(args, stream());
    wait();
    EXPECT_EQ(kernels::take_library_error(), "") << variant.name;
  }
  // The recorded work of one kind.
  template <class Work>
  static std::vector<Work> works(const simt::LibraryRecording& recording) {
    std::vector<Work> found;
    for (const simt::LibraryCall& call : recording.calls())
      if (const auto* work = std::get_if<Work>(&call.work)) found.push_back(*work);
    return found;
  }

  cudaStream_t stream_ = nullptr;
  std::unique_ptr<kernels::Libraries> libraries_;
};

}  // namespace cuelbo::test
