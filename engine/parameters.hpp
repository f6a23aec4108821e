// The parameters of a model, in named groups. A group is what one optimizer updates: its parameters share a flat buffer, and
// Adam's two moments of them two more. States (running statistics) are beside the groups. Several programs (training, evaluation,
// another batch size) share one set.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device.hpp"
#include "engine/tensor.hpp"

namespace cuelbo {

struct Parameter {
  std::string name;
  Shape shape;
  bool trained = true;      // false: a state, changed by kernels but not by an optimizer
  int group = 0;            // of a trained one
  std::int64_t offset = 0;  // elements, in the buffer of its group or of the states; a multiple of 16
};

class ParameterSet {
 public:
  // With one group, 0, which is named "model".
  explicit ParameterSet(Device& device) : device_(&device), groups_(1) { groups_.front().name = "model"; }

  // Returns the index of a further group. Throws like create().
  int create_group(std::string name);
  int group_count() const { return static_cast<int>(groups_.size()); }
  const std::string& group_name(int group) const { return at(group).name; }

  // Returns the parameter's index. Throws Error when the name is taken or a program has already been
  // differentiated or planned.
  int create(std::string name, Shape shape, std::span<const float> values, bool trained = true,
             int group = 0);

  const std::vector<Parameter>& parameters() const { return parameters_; }
  const Parameter& parameter(int index) const { return parameters_.at(static_cast<std::size_t>(index)); }
  // Elements of the flat buffer of a group, gaps included.
  std::int64_t trained_count(int group = 0) const { return at(group).count; }
  std::int64_t parameter_count() const;  // elements that are trained, of all groups, without gaps

  // Flat buffers on the device; the first call allocates and ends creation.
  float* trained(int group = 0);
  float* states();
  float* first_moment(int group = 0);
  float* second_moment(int group = 0);

  // Copies between host and device. Throws Error when a size does not fit.
  enum class Kind { value, first_moment, second_moment };
  std::vector<float> read(int index, Kind kind = Kind::value);
  void write(int index, std::span<const float> values, Kind kind = Kind::value);

  Device& device() { return *device_; }

 private:
  struct Group {
    std::string name;
    std::int64_t count = 0;
    DeviceMemory trained, moments;
  };
  const Group& at(int group) const { return groups_.at(static_cast<std::size_t>(group)); }
  Group& at(int group) { return groups_.at(static_cast<std::size_t>(group)); }
  void materialize();
  float* address(int index, Kind kind);

  Device* device_;
  std::vector<Parameter> parameters_;
  std::vector<std::vector<float>> initial_;  // until materialized
  std::vector<Group> groups_;
  std::int64_t state_count_ = 0;
  DeviceMemory states_;
  bool materialized_ = false;
};

}  // namespace cuelbo
