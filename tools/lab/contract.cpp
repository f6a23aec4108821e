#include "tools/lab/contract.hpp"

#include <fmt/format.h>

#include "engine/error.hpp"
#include "tools/lab/contracts/contracts.hpp"

namespace cuelbo::lab {

std::string to_string(const Shape& shape) {
  std::string text;
  for (const auto& [name, value] : shape)
    text += fmt::format("{}{}={:g}", text.empty() ? "" : ",", name, value);
  return text;
}

std::int64_t Buffer::count() const {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

std::size_t Buffer::bytes() const { return static_cast<std::size_t>(count()) * (type == Type::u64 ? 8 : 4); }

double Visit::number(const char* name, double standard) {
  const auto found = shape_.find(name);
  return used_[name] = found == shape_.end() ? standard : found->second;
}

void* Visit::add(Buffer buffer) {
  void* const address = addresses_ == nullptr ? nullptr : addresses_->at(buffer.name);
  buffers_.push_back(std::move(buffer));
  return address;
}

const std::vector<std::unique_ptr<Contract>>& contracts() {
  static const std::vector<std::unique_ptr<Contract>> all = [] {
    std::vector<std::unique_ptr<Contract>> list;
    add_linear(list);
    add_conv2d(list);
    add_activation(list);
    add_softmax(list);
    add_batch_norm(list);
    add_likelihood(list);
    add_sampling(list);
    add_elbo_decomposition(list);
    add_reduce(list);
    add_elementwise(list);
    add_adam(list);
    return list;
  }();
  return all;
}

}  // namespace cuelbo::lab
