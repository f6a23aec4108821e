#include "tools/lab/compiled/report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "tools/lab/compiled/kernel_name.hpp"
#include "tools/lab/compiled/occupancy.hpp"

namespace cuelbo::lab {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

int threads_of(const simt::Launch& launch) {
  return static_cast<int>(launch.block[0] * launch.block[1] * launch.block[2]);
}

std::optional<Occupancy> occupancy_of(const Gpu& gpu, const CompiledKernel& kernel,
                                      const simt::Launch& launch) {
  return occupancy(gpu, kernel.registers, kernel.shared, launch.shared_bytes, threads_of(launch));
}

// The GPUs that run this code.
std::vector<const Gpu*> gpus_of(const CompiledKernel& kernel, const std::vector<CompiledKernel>& all) {
  std::vector<const Gpu*> result;
  for (const Gpu& gpu : gpus())
    if (const CompiledKernel* code = code_for(gpu, all, kernel.name);
        code != nullptr && code->architecture == kernel.architecture)
      result.push_back(&gpu);
  return result;
}

// "32", "8×4"
std::string sizes(const std::array<unsigned, 3>& xyz) {
  std::string text = fmt::format("{}", xyz[0]);
  if (xyz[1] > 1 || xyz[2] > 1) text += fmt::format("×{}", xyz[1]);
  if (xyz[2] > 1) text += fmt::format("×{}", xyz[2]);
  return text;
}

std::string occupancies(const CompiledKernel& kernel, const LaunchReport& report) {
  std::string text;
  for (const Gpu* gpu : gpus_of(kernel, report.compiled)) {
    const auto o = occupancy_of(*gpu, kernel, report.launch);
    if (!o) return "unknown, built without CUDA's headers";
    if (!text.empty()) text += ", ";
    if (o->blocks == 0)
      text += fmt::format("{}: does not fit ({})", gpu->title, o->limit);
    else
      text += fmt::format("{} {:.0f} %", gpu->title, 100 * o->fraction);
    if (o->blocks > 0 && o->fraction < 1) text += fmt::format(" ({})", o->limit);
  }
  return text;
}

Json to_json(const CompiledKernel& kernel, const LaunchReport& report) {
  Json json{{"architecture", fmt::format("sm_{}", kernel.architecture)},
            {"registers", kernel.registers},
            {"static_shared_bytes", kernel.shared},
            {"local_bytes", kernel.local},
            {"constant_bytes", kernel.constant}};
  if (kernel.instructions)
    json["instructions"] = {{"total", kernel.instructions->total}, {"counts", kernel.instructions->counts}};
  Json& gpus = json["occupancy"] = Json::object();
  for (const Gpu* gpu : gpus_of(kernel, report.compiled))
    if (const auto o = occupancy_of(*gpu, kernel, report.launch))
      gpus[std::string(gpu->name)] = {
          {"fraction", o->fraction}, {"blocks_per_multiprocessor", o->blocks}, {"limited_by", o->limit}};
  return json;
}

void print(const CompiledKernel& kernel, const LaunchReport& report, const Gpu& gpu) {
  fmt::print("    sm_{:<4} {:>3} registers, {} B static shared, {} B local; occupancy {}\n",
             kernel.architecture, kernel.registers, kernel.shared, kernel.local, occupancies(kernel, report));
  if (!kernel.instructions || code_for(gpu, report.compiled, kernel.name) != &kernel) return;
  fmt::print("            {} instructions:", kernel.instructions->total);
  for (const auto& [name, count] : kernel.instructions->counts) fmt::print(" {} {}", name, count);
  fmt::print("\n");
}

// By name, and by file where files have kernels of the same name.
std::vector<CompiledKernel> kernels_of(const LaunchReport& launch, const std::vector<CompiledKernel>& all) {
  std::vector<CompiledKernel> named, result;
  std::ranges::copy_if(all, std::back_inserter(named),
                       [&](const CompiledKernel& k) { return k.name == launch.name; });
  std::ranges::copy_if(named, std::back_inserter(result),
                       [&](const CompiledKernel& k) { return k.file == launch.file; });
  if (result.empty()) result = std::move(named);
  std::ranges::sort(result, {}, &CompiledKernel::architecture);
  return result;
}

}  // namespace

CompilerReport report_resources(std::span<const simt::Launch> launches, const fs::path& code,
                                const std::string& missing) {
  CompilerReport report{.code = code.string(), .note = code.empty() ? missing : std::string()};
  for (const simt::Launch& launch : launches) {
    if (!report.launches.empty() && report.launches.back().launch == launch) {
      ++report.launches.back().times;
      continue;
    }
    const Symbol symbol = symbol_of(launch.kernel);
    report.launches.push_back({.launch = launch, .name = kernel_name(symbol.symbol), .file = symbol.file});
  }
  if (code.empty()) return report;
  try {
    const std::vector<CompiledKernel> kernels = compiled_kernels(code);
    for (LaunchReport& launch : report.launches) {
      launch.compiled = kernels_of(launch, kernels);
      if (launch.compiled.empty())
        report.note = fmt::format("'{}' has no kernel {}: it was built from other sources; build it again",
                                  code.string(), short_name(launch.name));
    }
  } catch (const Error& error) {
    report.note = error.what();
  }
  return report;
}

CompilerReport report_compiled(std::span<const simt::Launch> launches, const fs::path& code,
                               const std::string& missing) {
  CompilerReport report = report_resources(launches, code, missing);
  std::vector<CompiledKernel> kernels;  // launches may share one
  const auto find = [&](const CompiledKernel& kernel) {
    return std::ranges::find_if(kernels, [&](const CompiledKernel& k) {
      return k.symbol == kernel.symbol && k.architecture == kernel.architecture;
    });
  };
  for (const LaunchReport& launch : report.launches)
    for (const CompiledKernel& kernel : launch.compiled)
      if (find(kernel) == kernels.end()) kernels.push_back(kernel);
  try {
    disassemble(code, kernels);
  } catch (const Error& error) {
    report.note = error.what();
  }
  for (LaunchReport& launch : report.launches)
    for (CompiledKernel& kernel : launch.compiled) kernel = *find(kernel);
  return report;
}

std::optional<MainKernel> main_kernel(const CompilerReport& report, const Gpu& gpu) {
  std::optional<MainKernel> result;
  for (const LaunchReport& launch : report.launches) {
    const CompiledKernel* const code = code_for(gpu, launch.compiled, launch.name);
    if (code == nullptr || (result && code->registers <= result->registers)) continue;
    const auto fraction = occupancy_of(gpu, *code, launch.launch);
    if (fraction) result = MainKernel{code->registers, code->local, fraction->fraction};
  }
  return result;
}

fs::path find_cuda_code() {
  const fs::path folder = device_module_folder();
  std::error_code error;
  for (const fs::path& file :
       {folder / "libcuelbo_cuda.so", folder.parent_path().parent_path() / "cuda/bin/libcuelbo_cuda.so"})
    if (fs::exists(file, error)) return file;
  return {};
}

Json to_json(const CompilerReport& report) {
  Json launches = Json::array();
  for (const LaunchReport& l : report.launches) {
    Json compiled = Json::array();
    for (const CompiledKernel& kernel : l.compiled) compiled.push_back(to_json(kernel, l));
    launches.push_back({{"kernel", l.name},
                        {"grid", l.launch.grid},
                        {"block", l.launch.block},
                        {"dynamic_shared_bytes", l.launch.shared_bytes},
                        {"times", l.times},
                        {"compiled", std::move(compiled)}});
  }
  return {{"launches", std::move(launches)},
          {"code", report.code.empty() ? Json() : Json(report.code)},
          {"compiler_note", report.note.empty() ? Json() : Json(report.note)}};
}

void print(const CompilerReport& report, const Gpu& gpu) {
  fmt::print("launches");
  if (!report.code.empty())
    fmt::print(", and what nvcc made of them in {}", fs::proximate(report.code).string());
  fmt::print(":\n");
  for (const LaunchReport& l : report.launches) {
    fmt::print("  {}: grid {}, block {}", short_name(l.name), sizes(l.launch.grid), sizes(l.launch.block));
    if (l.launch.shared_bytes > 0) fmt::print(", {} B dynamic shared", l.launch.shared_bytes);
    if (l.times > 1) fmt::print(", {} times", l.times);
    fmt::print("\n");
    for (const CompiledKernel& kernel : l.compiled) print(kernel, l, gpu);
  }
  if (!report.note.empty()) fmt::print("  not known: {}\n", report.note);
}

}  // namespace cuelbo::lab
