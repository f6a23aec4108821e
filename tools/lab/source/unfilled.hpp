// Variables of a user's file that keep their zeros, since only host code fills them and it does not run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cuelbo::lab {

struct UnfilledVariable {
  std::string name;
  int line = 0;    // of its declaration
  std::string by;  // what fills it: "cudaMemcpyToSymbol", or "an assignment" of a __managed__ variable
};

// __constant__, __device__ and __managed__ variables without an initialiser, in the order of their declarations.
std::vector<UnfilledVariable> unfilled_variables(std::string_view text);

}  // namespace cuelbo::lab
