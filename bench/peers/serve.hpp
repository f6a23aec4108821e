// The protocol of this project's side of a comparison: every answer is a line of JSON on standard output.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/io/safetensors.hpp"
#include "engine/parameters.hpp"

namespace cuelbo {

void answer(const nlohmann::json& json);

// Answers each line of standard input:
//   run N     the milliseconds that a call took, over N calls and one `finish`, by the clock and of processor time
//   calls N   the microseconds of each of N calls
void serve(const std::function<void()>& call, const std::function<void()>& finish = [] {});

// The results of a side, for the other side to compare with.
class Result {
 public:
  template <class T>
  void add(const std::string& name, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    content_.tensors.emplace(name, make_array(std::move(shape), values));
  }
  void add_parameters(ParameterSet& parameters);  // as value.NAME
  void write(const std::string& path) const { write_safetensors(path, content_); }

 private:
  Safetensors content_;
};

}  // namespace cuelbo
