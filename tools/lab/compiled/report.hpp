// The compiled kernels that a call launches, and the number of their blocks that share a multiprocessor.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "kernels/runtime/simt/launch.hpp"
#include "tools/lab/compiled/compiled_kernels.hpp"
#include "tools/lab/model/gpu.hpp"

namespace cuelbo::lab {

struct LaunchReport {
  simt::Launch launch;
  int times = 1;                         // one after the other
  std::string name, file;                // kernel_name, and the file if others do not see the kernel
  std::vector<CompiledKernel> compiled;  // for each architecture
};

struct CompilerReport {
  std::vector<LaunchReport> launches;
  std::string code;  // the file with the GPU code
  std::string note;  // why there is none of what the compiler made, in one line; else empty
};

// `code`: a file with GPU code; empty: there is none, and `missing` says why. Whatever keeps the code from being read is
// in the note. The first comes without instructions, at once.
CompilerReport report_resources(std::span<const simt::Launch> launches, const std::filesystem::path& code,
                                const std::string& missing = {});
CompilerReport report_compiled(std::span<const simt::Launch> launches, const std::filesystem::path& code,
                               const std::string& missing = {});

// The launch of a call that takes the most registers on a GPU: it does the main work, others prepare or finish it.
struct MainKernel {
  int registers = 0;
  std::size_t local_bytes = 0;
  double occupancy = 0;
};
std::optional<MainKernel> main_kernel(const CompilerReport& report, const Gpu& gpu);  // nothing: not known

// The module `cuda` beside the program or in the folder of the preset cuda; empty: there is none.
std::filesystem::path find_cuda_code();

nlohmann::ordered_json to_json(const CompilerReport& report);
void print(const CompilerReport& report,
           const Gpu& gpu);  // with the instructions of the code that this GPU runs

}  // namespace cuelbo::lab
