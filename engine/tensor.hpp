// A tensor is a name for a place in a program: it has a shape but no memory of its own until the program is planned.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cuelbo {

class Program;

using Shape = std::vector<std::int64_t>;

std::int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "(128, 28, 28, 1)"

class Tensor {
 public:
  Tensor() = default;
  Tensor(Program& program, int id) : program_(&program), id_(id) {}

  explicit operator bool() const { return program_ != nullptr; }
  Program& program() const;  // this and the following throw Error for an absent tensor
  int id() const { return id_; }

  const Shape& shape() const;
  std::int64_t size() const;         // elements
  std::int64_t dim(int axis) const;  // negative axes count from the end
  std::int64_t rows() const;         // elements / last axis
  std::int64_t columns() const;      // last axis
  bool requires_gradient() const;
  const std::string& name() const;

 private:
  Program* program_ = nullptr;
  int id_ = -1;
};

}  // namespace cuelbo
