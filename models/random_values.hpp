// Random numbers made on the host, from counters like those of the kernels.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cuelbo {

// Uniform in (−bound, bound), a pure function of the seed, the parameter's name and the element. torch.nn.Linear and
// Conv2d start weights and biases so, with bound = 1/√fan_in (kaiming_uniform with a = √5).
std::vector<float> uniform_values(std::uint64_t seed, std::string_view name, std::int64_t count, float bound);

// Standard normal numbers (Box–Muller), a pure function of the seed and the element.
std::vector<float> standard_normal(std::uint64_t seed, std::int64_t count);

}  // namespace cuelbo
