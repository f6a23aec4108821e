#include "tools/lab/compiled/compiled_kernels.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "tools/lab/compiled/kernel_name.hpp"
#include "tools/lab/run_program.hpp"

namespace cuelbo::lab {

namespace {

namespace fs = std::filesystem;

std::string cuobjdump(const std::vector<std::string>& options, const fs::path& file) {
  const fs::path program = find_cuda_program("cuobjdump");
  if (program.empty())
    fail("cuobjdump, which reads GPU code, was not found: `bash tools/setup.sh --cuda` installs it");
  std::error_code error;
  if (!fs::is_regular_file(file, error)) fail("'{}' is not a file", file.string());
  std::vector<std::string> command{program.string()};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(file.string());
  ProgramOutput output = run_program(command);
  if (output.code != 0)
    fail("{} cannot read '{}': {}", program.string(), file.string(),
         output.err.substr(0, output.err.find('\n')));
  return std::move(output.out);
}

}  // namespace

fs::path find_cuda_program(const std::string& name) {
  std::vector<fs::path> folders;
  const std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    folders.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (const char* toolkit = std::getenv("CUDA_PATH")) folders.push_back(fs::path(toolkit) / "bin");
  folders.emplace_back("/usr/local/cuda/bin");
  // The program is in build/<preset>/bin, wheels are in build/cuda-toolkit.
  std::error_code error;
  const fs::path build = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path().parent_path();
  for (const fs::path& python : fs::directory_iterator(build / "cuda-toolkit/lib", error))
    folders.push_back(python / "site-packages/nvidia/cu13/bin");
  for (const fs::path& folder : folders)
    if (fs::is_regular_file(folder / name, error)) return folder / name;
  return {};
}

std::vector<CompiledKernel> compiled_kernels(const fs::path& file) {
  std::vector<CompiledKernel> kernels = parse_resource_usage(cuobjdump({"--dump-resource-usage"}, file));
  // For a bare cubin, cuobjdump prints the architecture only together with the code.
  if (!kernels.empty() && kernels[0].architecture == 0) {
    const int architecture = architecture_of_sass(cuobjdump({"-sass", "-fun", kernels[0].symbol}, file));
    for (CompiledKernel& k : kernels) k.architecture = architecture;
  }
  return kernels;
}

void disassemble(const fs::path& file, std::vector<CompiledKernel>& kernels) {
  std::set<std::string> symbols;
  for (const CompiledKernel& k : kernels) symbols.insert(k.symbol);
  if (!symbols.empty())
    parse_sass(cuobjdump({"-sass", "-fun", fmt::format("{}", fmt::join(symbols, ","))}, file), kernels);
}

}  // namespace cuelbo::lab
