// Turns CUDA C++ into what g++ compiles over the SIMT runtime. Only two things of CUDA are not C++: <<<>>> and
// extern __shared__.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cuelbo::lab {

// Keeps every line where it is. `file` is what messages call it. Error "file:line: …" for what cannot be turned.
std::string rewrite_cuda(std::string_view text, std::string_view file);

std::vector<std::string> kernel_names(std::string_view text);  // of __global__ functions, in their order

}  // namespace cuelbo::lab
