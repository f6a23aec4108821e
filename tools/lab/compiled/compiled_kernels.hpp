// Compiled kernels, as cuobjdump describes them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cuelbo::lab {

// Instructions as they stand in the code, not as often as they run.
struct Instructions {
  int total = 0;  // without what fills up the end
  // The interesting ones: FFMA; MMA (tensor cores); MUFU; by the bits of a lane LDG.128, STG.32, LDS.64, STS.128,
  // LDGSTS.128 (cp.async); LDSM; SHFL; BAR; ATOM; LDL and STL (local memory) …
  std::map<std::string, int> counts;
};

struct CompiledKernel {
  std::string symbol, name, file;  // kernel_name(symbol), file_of(symbol)
  int architecture = 0;            // 90: sm_90
  int registers = 0;               // of a thread
  std::size_t shared = 0;          // static, bytes per block
  std::size_t local = 0;     // bytes per thread: its stack, arrays in local memory and spilled registers
  std::size_t constant = 0;  // bytes, arguments included
  std::optional<Instructions> instructions;
};

// NVIDIA's program of that name in PATH, the CUDA toolkit or where tools/setup.sh puts wheels; empty: there is none.
std::filesystem::path find_cuda_program(const std::string& name);

// The kernels in a library, object, fatbin or cubin, without their instructions. Throws Error, also when cuobjdump is not
// here.
std::vector<CompiledKernel> compiled_kernels(const std::filesystem::path& file);

// Adds the instructions of these kernels, which are of that file. Taking a whole module apart takes 40 s, a few of its
// kernels less than one.
void disassemble(const std::filesystem::path& file, std::vector<CompiledKernel>& kernels);

// The parts: output of cuobjdump --dump-resource-usage and of -sass.
std::vector<CompiledKernel> parse_resource_usage(std::string_view text);
void parse_sass(std::string_view text, std::vector<CompiledKernel>& kernels);
int architecture_of_sass(std::string_view text);  // 0: it has none

}  // namespace cuelbo::lab
