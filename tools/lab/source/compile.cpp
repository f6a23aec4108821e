#include "tools/lab/source/compile.hpp"

#include <algorithm>

#include "engine/error.hpp"
#include "engine/io/temporary_directory.hpp"
#include "tools/lab/compiled/kernel_name.hpp"
#include "tools/lab/run_program.hpp"

namespace cuelbo::lab {

namespace {

// As people write it: without namespaces and spaces.
std::string bare_name(const std::string& kernel) {
  std::string name = short_name(kernel);
  std::erase(name, ' ');
  return name;
}

std::vector<CompiledKernel> compile(const SourceLaunch& launch, const Gpu& gpu) {
  const std::filesystem::path nvcc = find_cuda_program("nvcc");
  if (nvcc.empty()) fail("nvcc was not found: bash tools/setup.sh --cuda installs it");
  const TemporaryDirectory directory;
  const std::filesystem::path cubin = directory / "source.cubin";
  const ProgramOutput done =
      run_program({nvcc.string(), "-std=c++20", fmt::format("-arch=sm_{}", gpu.architecture), "-cubin", "-o",
                   cubin.string(), launch.file.string()});
  if (done.code != 0) fail("nvcc: {}", done.err.substr(0, done.err.find('\n')));
  std::vector<CompiledKernel> kernels = compiled_kernels(cubin);
  std::erase_if(kernels,
                [&](const CompiledKernel& k) { return bare_name(k.name) != bare_name(launch.kernel); });
  if (kernels.empty())
    fail("nvcc made no '{}' of '{}': a template is compiled where the file itself launches it", launch.kernel,
         launch.file.string());
  kernels.resize(1);
  disassemble(cubin, kernels);
  return kernels;
}

}  // namespace

CompilerReport compile_source(const SourceLaunch& launch, const Gpu& gpu) {
  CompilerReport report;
  report.launches.push_back(
      {.launch = {.grid = launch.grid, .block = launch.block, .shared_bytes = launch.shared_bytes},
       .name = launch.kernel});
  try {
    LaunchReport& only = report.launches.front();
    only.compiled = compile(launch, gpu);
    only.name = only.compiled.front().name;
    report.code = launch.file.string();
  } catch (const Error& error) {
    report.note = error.what();
  }
  return report;
}

}  // namespace cuelbo::lab
