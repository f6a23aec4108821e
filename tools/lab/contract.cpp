#include "tools/lab/contract.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/error.hpp"

namespace cuelbo::lab {

std::string to_string(const Shape& shape) {
  std::string text;
  for (const auto& [name, value] : shape)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const std::size_t equals = std::min(item.find('='), item.size());
    double value = 0;
    const char* const first = item.data() + std::min(equals + 1, item.size());
    const auto [last, error] = std::from_chars(first, item.data() + item.size(), value);
    if (equals == item.size() || error != std::errc() || last != item.data() + item.size() ||
        !std::isfinite(value))
      usage_fail("--shape: '{}' is not of the form name=number, as in rows=128,in=784", item);
    if (!shape.emplace(item.substr(0, equals), value).second)
      usage_fail("--shape: '{}' is given twice", item.substr(0, equals));
    begin = end + 1;
  }
  return shape;
}

const char* name_of(Role role) {
  constexpr const char* names[] = {"input", "output", "updated"};
  return names[static_cast<int>(role)];
}

std::int64_t Buffer::count() const {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

std::size_t Buffer::bytes() const { return static_cast<std::size_t>(count()) * dtype_size(type); }

double Visit::number(const char* name, double standard) {
  const auto found = shape_.find(name);
  return used_[name] = found == shape_.end() ? standard : found->second;
}

double Visit::fits(const char* name, double value, double most, double least_above_zero) {
  if (std::abs(value) > most)
    usage_fail("{}={}: it must be between {:.6g} and {:.6g}", name, value, -most, most);
  if (value != 0 && std::abs(value) <= least_above_zero / 2)
    usage_fail("{}={}: it would become 0; the least number above 0 is {:.6g}", name, value, least_above_zero);
  return value;
}

double Visit::whole(const char* name, double standard, double least, double most) {
  const double value = number(name, standard);
  if (value != std::floor(value) || value < least)
    usage_fail("{}={}: a whole number of at least {} is needed", name, value, least);
  if (value > most) usage_fail("{}={}: at most {} is possible", name, value, most);
  return value;
}

void Visit::require(bool met, const char* what) const {
  if (!met) usage_fail("no such call: {} is needed", what);
}

void* Visit::add(Buffer buffer) {
  void* const address = addresses_ == nullptr ? nullptr : addresses_->at(buffer.name);
  buffers_.push_back(std::move(buffer));
  return address;
}

}  // namespace cuelbo::lab
