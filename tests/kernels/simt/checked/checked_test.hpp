// Kernels compiled with instrumentation, and what the checker says of them.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "kernels/runtime/cuda.hpp"
#include "tests/support/paths.hpp"

namespace cuelbo::kernels {

template <class T>
class Array {
 public:
  explicit Array(std::size_t size) : size_(size) {
    cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T));
  }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    cudaMemcpy(static_cast<void*>(data_), values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(static_cast<void*>(data_)); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    cudaMemcpy(values.data(), static_cast<const void*>(data_), size_ * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

// Findings do not depend on the order in which threads run.
class Checked : public testing::TestWithParam<simt::ThreadOrder> {
 protected:
  Checked() { simt::set_order(GetParam(), 5); }
  ~Checked() override { EXPECT_FALSE(simt::take_finding()); }

  template <class... Parameters, class... Arguments>
  static std::string found(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                           const Arguments&... arguments) {
    launch(kernel, grid, block, shared_bytes, {}, arguments...);
    const auto finding = simt::take_finding();
    return finding ? to_string(*finding) : "nothing";
  }
};

inline std::string order_name(const testing::TestParamInfo<simt::ThreadOrder>& order) {
  constexpr const char* names[] = {"forward", "reverse", "random"};
  return names[static_cast<int>(order.param)];
}
#define CUELBO_IN_ALL_ORDERS(Fixture)                                                                     \
  INSTANTIATE_TEST_SUITE_P(                                                                               \
      Orders, Fixture,                                                                                    \
      testing::Values(simt::ThreadOrder::forward, simt::ThreadOrder::reverse, simt::ThreadOrder::random), \
      order_name)

// "file.cpp:12" of the line in this folder's `file` that ends with the comment `mark`.
inline std::string line_of(const std::string& file, const std::string& mark) {
  const std::string name = file.substr(file.rfind('/') + 1);
  std::ifstream in(test::source_directory() + "/tests/kernels/simt/checked/" + name);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with("// " + mark)) return name + ":" + std::to_string(number);
  }
  ADD_FAILURE() << name << " has no line marked '" << mark << "'";
  return {};
}
#define CUELBO_LINE(mark) line_of(__FILE__, mark)

}  // namespace cuelbo::kernels
