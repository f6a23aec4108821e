// A configuration that says no more than it must.
#pragma once

#include "models/config.hpp"

namespace cuelbo::test {

inline constexpr const char* small_config = R"(
[data]
name = "dsprites"
[encoder]
layers = [{ linear = 8 }]
[decoder]
layers = []
[[latent]]
name = "a"
gaussian = 2
[[latent]]
name = "b"
discrete = 3
)";

inline RunConfig with(const std::vector<std::string>& overrides) {
  return parse_config(small_config, "small.toml", overrides);
}

}  // namespace cuelbo::test
