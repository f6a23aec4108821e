#include "engine/parameters.hpp"

#include "engine/error.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t granule = 16;  // elements: parameters start on cache lines

std::size_t float_bytes(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

int ParameterSet::create(std::string name, Shape shape, std::span<const float> values, bool trained) {
  if (materialized_)
    fail(
        "parameter '{}' is created too late: create all parameters before a program is differentiated or "
        "planned",
        name);
  for (const Parameter& other : parameters_)
    if (other.name == name) fail("two parameters are named '{}'", name);
  const std::int64_t count = element_count(shape);
  if (std::ssize(values) != count)
    fail("parameter '{}' of shape {} needs {} values, got {}", name, to_string(shape), count, values.size());

  std::int64_t& end = trained ? trained_count_ : state_count_;
  parameters_.push_back(
      {.name = std::move(name), .shape = std::move(shape), .trained = trained, .offset = end});
  initial_.emplace_back(values.begin(), values.end());
  end += (count + granule - 1) / granule * granule;
  return static_cast<int>(parameters_.size()) - 1;
}

std::int64_t ParameterSet::parameter_count() const {
  std::int64_t count = 0;
  for (const Parameter& p : parameters_)
    if (p.trained) count += element_count(p.shape);
  return count;
}

void ParameterSet::materialize() {
  if (materialized_) return;
  trained_ = DeviceMemory(*device_, float_bytes(trained_count_));
  states_ = DeviceMemory(*device_, float_bytes(state_count_));
  materialized_ = true;
  for (std::size_t i = 0; i < parameters_.size(); ++i) write(static_cast<int>(i), initial_[i]);
  initial_.clear();
  initial_.shrink_to_fit();
}

float* ParameterSet::trained() {
  materialize();
  return reinterpret_cast<float*>(trained_.data());
}

float* ParameterSet::states() {
  materialize();
  return reinterpret_cast<float*>(states_.data());
}

float* ParameterSet::first_moment() {
  materialize();
  if (moments_.bytes() == 0) moments_ = DeviceMemory(*device_, 2 * float_bytes(trained_count_));
  return reinterpret_cast<float*>(moments_.data());
}

float* ParameterSet::second_moment() { return first_moment() + trained_count_; }

float* ParameterSet::address(int index, Kind kind) {
  const Parameter& p = parameter(index);
  if (kind != Kind::value && !p.trained)
    fail("'{}' is a state: the optimizer keeps no moments of it", p.name);
  switch (kind) {
    case Kind::value: return (p.trained ? trained() : states()) + p.offset;
    case Kind::first_moment: return first_moment() + p.offset;
    case Kind::second_moment: return second_moment() + p.offset;
  }
  fail("no such kind of parameter value");
}

std::vector<float> ParameterSet::read(int index, Kind kind) {
  std::vector<float> values(static_cast<std::size_t>(element_count(parameter(index).shape)));
  device_->download(values.data(), address(index, kind), values.size() * sizeof(float));
  return values;
}

void ParameterSet::write(int index, std::span<const float> values, Kind kind) {
  const Parameter& p = parameter(index);
  if (std::ssize(values) != element_count(p.shape))
    fail("parameter '{}' of shape {} cannot take {} values", p.name, to_string(p.shape), values.size());
  device_->upload(address(index, kind), values.data(), values.size_bytes());
}

}  // namespace cuelbo
