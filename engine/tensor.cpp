#include "engine/tensor.hpp"

#include <fmt/ranges.h>

#include "engine/error.hpp"
#include "engine/program.hpp"

namespace cuelbo {

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

Program& Tensor::program() const {
  if (program_ == nullptr) fail("a tensor is absent where one is needed");
  return *program_;
}

const Shape& Tensor::shape() const { return program().info(*this).shape; }
std::int64_t Tensor::size() const { return element_count(shape()); }
std::int64_t Tensor::dim(int axis) const {
  const Shape& s = shape();
  return s.at(static_cast<std::size_t>(axis < 0 ? axis + std::ssize(s) : axis));
}
std::int64_t Tensor::rows() const { return columns() == 0 ? 0 : size() / columns(); }
std::int64_t Tensor::columns() const { return shape().empty() ? 1 : shape().back(); }
bool Tensor::requires_gradient() const { return program().info(*this).requires_gradient; }
const std::string& Tensor::name() const { return program().info(*this).name; }

}  // namespace cuelbo
