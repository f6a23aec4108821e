#include "engine/parameters.hpp"

#include "engine/error.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t granule = 16;  // elements: parameters start on cache lines

std::size_t float_bytes(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

int ParameterSet::create_group(std::string name) {
  if (materialized_)
    fail(
        "the group '{}' is created too late: create all groups before a program is differentiated or planned",
        name);
  for (const Group& other : groups_)
    if (other.name == name) fail("two groups of parameters are named '{}'", name);
  groups_.emplace_back().name = std::move(name);
  return group_count() - 1;
}

int ParameterSet::create(std::string name, Shape shape, std::span<const float> values, bool trained,
                         int group) {
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

  std::int64_t& end = trained ? at(group).count : state_count_;
  parameters_.push_back({.name = std::move(name),
                         .shape = std::move(shape),
                         .trained = trained,
                         .group = group,
                         .offset = end});
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
  for (Group& group : groups_) group.trained = DeviceMemory(*device_, float_bytes(group.count));
  states_ = DeviceMemory(*device_, float_bytes(state_count_));
  materialized_ = true;
  for (std::size_t i = 0; i < parameters_.size(); ++i) write(static_cast<int>(i), initial_[i]);
  initial_.clear();
  initial_.shrink_to_fit();
}

float* ParameterSet::trained(int group) {
  materialize();
  return reinterpret_cast<float*>(at(group).trained.data());
}

float* ParameterSet::states() {
  materialize();
  return reinterpret_cast<float*>(states_.data());
}

float* ParameterSet::first_moment(int group) {
  materialize();
  DeviceMemory& moments = at(group).moments;
  if (moments.bytes() == 0) moments = DeviceMemory(*device_, 2 * float_bytes(at(group).count));
  return reinterpret_cast<float*>(moments.data());
}

float* ParameterSet::second_moment(int group) { return first_moment(group) + at(group).count; }

float* ParameterSet::address(int index, Kind kind) {
  const Parameter& p = parameter(index);
  if (kind != Kind::value && !p.trained)
    fail("'{}' is a state: the optimizer keeps no moments of it", p.name);
  switch (kind) {
    case Kind::value: return (p.trained ? trained(p.group) : states()) + p.offset;
    case Kind::first_moment: return first_moment(p.group) + p.offset;
    case Kind::second_moment: return second_moment(p.group) + p.offset;
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
