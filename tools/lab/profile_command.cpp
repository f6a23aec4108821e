// `cuelbo kernels profile`: what each source line of a variant moves.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/compiled/report.hpp"
#include "tools/lab/launches.hpp"
#include "tools/lab/measure.hpp"
#include "tools/lab/model/report.hpp"
#include "tools/lab/profile.hpp"
#include "tools/lab/profile_report.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"
#include "tools/lab/source/compile.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

constexpr double most_shared_bytes = 227 << 10;  // per block, on any GPU

struct ProfileOptions {
  std::string kernel, shape, gpu = "h100";
  std::string source, source_kernel, arguments, output;  // of a user's file
  std::string grid = "1", block = "1";                   // X, X,Y or X,Y,Z
  std::size_t shared_bytes = 0;
  std::uint64_t loop_limit = 100'000'000;
  std::string code;  // file
  DeviceOptions device{.name = "simt-checked"};
  std::uint64_t seed = 1;
};

void print(const std::string& name, Json about, const simt::Profile& profile,
           const lab::CompilerReport& compiled, const lab::ModelReport& model,
           std::optional<std::int64_t> declared = {}) {
  if (json_wanted()) {
    about.update(lab::to_json(profile));
    if (declared) about["declared_bytes"] = *declared;
    about.update(lab::to_json(compiled));
    about["model"] = lab::to_json(model);
    print_json(about);
    return;
  }
  fmt::print("{}; per request of a warp, as the source says it\n", name);
  lab::print(profile);
  if (declared)
    fmt::print("by its own formula it moves {} bytes; counted are {}\n", *declared,
               profile.loaded + profile.stored);
  fmt::print("\n");
  lab::print(compiled, *model.gpu);
  fmt::print("\n");
  lab::print(model);
}

int profile_variant(const ProfileOptions& options) {
  const std::unique_ptr<Device> device = open_device(options.device);
  if (device->name() == "cpu") usage_fail("--device cpu: only simt-checked profiles");
  const DeviceModule& module = load_device_module(device->name());
  const KernelVariant variant = lab::select_one(module.variants(), options.kernel);
  const lab::Contract& contract = lab::find_contract(variant.kernel);
  const lab::Shape shape =
      contract.complete(lab::parse_shape(options.shape.empty() ? contract.counted() : options.shape));
  const lab::Gpu& gpu = lab::find_gpu(options.gpu);
  const simt::Profile profile = lab::profile_variant(variant, shape, options.seed, module, *device);
  const auto launches = lab::launches_of(variant, shape, module, *device);
  const lab::CompilerReport compiled = lab::report_compiled(
      launches, options.code.empty() ? lab::find_cuda_code() : std::filesystem::path(options.code),
      "the device cuda was not built: cmake --preset cuda && cmake --build --preset cuda, or --code FILE");
  if (!options.code.empty() && !compiled.note.empty()) fail("--code: {}", compiled.note);
  print(fmt::format("{}/{}, {}", variant.kernel, variant.name, lab::to_string(shape)),
        {{"kernel", variant.kernel}, {"variant", variant.name}, {"shape", lab::to_json(shape)}}, profile,
        compiled, lab::report_model(gpu, contract.cost(shape), variant.precision, profile, launches),
        contract.moved_bytes(*module.table(variant.kernel, variant.name), shape));
  return exit_done;
}

// Comma-separated numbers, none of them empty.
void limit_each_to(CLI::Option* option, const Range& range, std::uint64_t most) {
  CLI::Validator& all = *limit_to(option, range, most)->get_validator(0);
  const CLI::Validator one = all;
  all.operation([one](std::string& text) {
    std::vector<std::string> numbers;
    for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
      end = std::min(text.find(',', begin), text.size());
      one(numbers.emplace_back(text.substr(begin, end - begin)));
    }
    text = fmt::format("{}", fmt::join(numbers, ","));
    return std::string();
  });
}

using Sizes = std::array<unsigned, 3>;

// `given` has passed limit_each_to.
Sizes sizes(const std::string& given, const Sizes& most, const char* option) {
  Sizes result{1, 1, 1};
  const std::vector<std::string> numbers = CLI::detail::split(given, ',');
  if (numbers.size() > result.size()) usage_fail("{}: expected X, X,Y or X,Y,Z, each at least 1", option);
  for (std::size_t i = 0; i < numbers.size(); ++i) result[i] = static_cast<unsigned>(std::stoul(numbers[i]));
  for (std::size_t i = 0; i < result.size(); ++i)
    if (result[i] > most[i])
      usage_fail("{}: {} is {}; at most {} is possible", option, "XYZ"[i], result[i], most[i]);
  return result;
}

// The limits of every GPU.
void set_sizes(const ProfileOptions& options, lab::SourceLaunch& launch) {
  constexpr std::uint64_t most_threads = 1024;
  launch.grid = sizes(options.grid, {0x7fffffff, 0xffff, 0xffff}, "--grid");
  launch.block = sizes(options.block, {1024, 1024, 64}, "--block");
  const std::uint64_t threads = std::uint64_t{launch.block[0]} * launch.block[1] * launch.block[2];
  if (threads > most_threads)
    usage_fail("--block: {} are {} threads; a block has at most {}", fmt::join(launch.block, "×"), threads,
               most_threads);
  launch.shared_bytes = options.shared_bytes;
}

// While it lives, what a kernel prints to standard output goes to standard error.
class OutputToError {
 public:
  OutputToError() : output_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
    std::fflush(stdout);
    dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  ~OutputToError() {
    std::fflush(stdout);
    dup2(output_, STDOUT_FILENO);
    close(output_);
  }
  OutputToError(const OutputToError&) = delete;
  OutputToError& operator=(const OutputToError&) = delete;

 private:
  int output_;
};

int profile_source(const ProfileOptions& options) {
  check_output_beside_results(options.output, ".npz", options.source);
  if (!options.kernel.empty()) usage_fail("'{}': a kernel of --source is named by --kernel", options.kernel);
  if (options.source_kernel.empty()) usage_fail("--source: --kernel NAME is missing");
  lab::SourceLaunch launch{.file = options.source,
                           .kernel = options.source_kernel,
                           .loop_limit = options.loop_limit,
                           .arguments = lab::parse_source_arguments(options.arguments),
                           .seed = options.seed};
  set_sizes(options, launch);
  const lab::Gpu& gpu = lab::find_gpu(options.gpu);
  lab::SourceProfile result = [&] {
    std::optional<OutputToError> kernel_output;
    if (json_wanted()) kernel_output.emplace();
    return lab::profile_source(launch);
  }();
  const lab::CompilerReport compiled = lab::compile_source(launch, gpu);
  // The memory it touches counts as its operands; its arithmetic is not known.
  const kernels::Cost cost{.bytes =
                               static_cast<double>(result.profile.must_load + result.profile.must_store)};
  const std::vector<simt::Launch> launches{compiled.launches.front().launch};
  // Before anything is printed, which may end the program: by a closed pipe.
  if (!options.output.empty()) write_npz(options.output, std::move(result.outputs));
  print(
      fmt::format("{}, grid ({}), block ({})", launch.kernel, fmt::join(launch.grid, ", "),
                  fmt::join(launch.block, ", ")),
      {{"source", options.source}, {"kernel", launch.kernel}, {"grid", launch.grid}, {"block", launch.block}},
      result.profile, compiled,
      lab::report_model(gpu, cost, kernels::Precision::fp32, result.profile, launches));
  return exit_done;
}

int run_profile(const ProfileOptions& options) {
  if (!options.source.empty()) return profile_source(options);
  if (options.kernel.empty()) usage_fail("KERNEL or --source FILE is missing");
  return profile_variant(options);
}

}  // namespace

void add_kernels_profile(CLI::App& kernels, Run& run) {
  add_command<ProfileOptions>(
      kernels, run, "profile", "Count what each source line of a kernel moves, without a GPU",
      [](CLI::App& command, ProfileOptions& options) {
        command.add_option(
            "KERNEL", options.kernel,
            "KERNEL/VARIANT (a name, its place from 0 on, or best), or KERNEL for what programs use");
        command.add_option("--shape", options.shape, "Sizes, as in rows=128,in=784; small ones if left out");
        command.add_option("--gpu", options.gpu, "GPU of the bounds: h100, a100, rtx4090 or rtx5090")
            ->capture_default_str();
        command.add_option(
            "--code", options.code,
            "File with the GPU code: library, object, fatbin or cubin; the device cuda if left out");
        add_seed_option(command, options.seed, "Seed of the inputs");
        command.add_option("--device", options.device.name, "simt-checked")->capture_default_str();
        command.add_option("--source", options.source,
                           "Instead of KERNEL: your own .cu file, as nvcc takes it");
        command.add_option("--kernel", options.source_kernel, "Its kernel, as in transpose or tile<32>");
        for (const auto& [name, sizes, description] :
             {std::tuple("--grid", &options.grid, "Blocks: X, X,Y or X,Y,Z"),
              std::tuple("--block", &options.block, "Threads per block, likewise")})
          limit_each_to(command.add_option(name, *sizes, description), at_least(1), largest<unsigned>);
        add_number(command, "--shared", options.shared_bytes, at_least(0, most_shared_bytes),
                   "Bytes of dynamic shared memory");
        add_number(command, "--loop-limit", options.loop_limit, at_least(0),
                   "Steps of a block after which a loop counts as endless; 0: never")
            ->capture_default_str();
        command.add_option("--args", options.arguments,
                           "The kernel's arguments, as in \"f32[1024] out; f32[1024]=random; i32=1024\"");
        command.add_option("-o,--output", options.output,
                           "The .npz to write the `out` arguments to, as 'argument 1' and so on");
      },
      run_profile);
}

}  // namespace cuelbo
