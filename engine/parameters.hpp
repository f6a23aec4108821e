// The parameters of a model: one flat buffer for all trained ones, one for states (running statistics), and Adam's two
// moments. Several programs (training, evaluation, another batch size) share one set.
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
  bool trained = true;      // false: a state, changed by kernels but not by the optimizer
  std::int64_t offset = 0;  // elements, in the buffer of its kind; a multiple of 16
};

class ParameterSet {
 public:
  explicit ParameterSet(Device& device) : device_(&device) {}

  // Returns the parameter's index. Throws Error when the name is taken or a program has already been
  // differentiated or planned.
  int create(std::string name, Shape shape, std::span<const float> values, bool trained = true);

  const std::vector<Parameter>& parameters() const { return parameters_; }
  const Parameter& parameter(int index) const { return parameters_.at(static_cast<std::size_t>(index)); }
  std::int64_t trained_count() const { return trained_count_; }  // elements of the flat buffer, gaps included
  std::int64_t parameter_count() const;                          // elements that are trained, without gaps

  // Flat buffers on the device; the first call allocates and ends creation.
  float* trained();
  float* states();
  float* first_moment();
  float* second_moment();

  // Copies between host and device. Throws Error when a size does not fit.
  enum class Kind { value, first_moment, second_moment };
  std::vector<float> read(int index, Kind kind = Kind::value);
  void write(int index, std::span<const float> values, Kind kind = Kind::value);

  Device& device() { return *device_; }

 private:
  void materialize();
  float* address(int index, Kind kind);

  Device* device_;
  std::vector<Parameter> parameters_;
  std::vector<std::vector<float>> initial_;  // until materialized
  std::int64_t trained_count_ = 0, state_count_ = 0;
  DeviceMemory trained_, states_, moments_;
  bool materialized_ = false;
};

}  // namespace cuelbo
