#pragma once

#include <cmath>

#include <nlohmann/json.hpp>

#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// Sizes as integers, factors as they are.
inline nlohmann::ordered_json to_json(const Shape& shape) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : shape) {
    if (value == std::floor(value))
      json[name] = static_cast<std::int64_t>(value);
    else
      json[name] = value;
  }
  return json;
}

}  // namespace cuelbo::lab
