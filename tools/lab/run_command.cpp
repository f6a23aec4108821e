// `cuelbo kernels run`: one call of one variant on given or drawn inputs.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "engine/device_module.hpp"
#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "tools/command_line.hpp"
#include "tools/lab/call_inputs.hpp"
#include "tools/lab/commands.hpp"
#include "tools/lab/device_option.hpp"
#include "tools/lab/inputs.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/thread_order.hpp"
#include "tools/options.hpp"
#include "tools/output.hpp"
#include "tools/output_file.hpp"

namespace cuelbo {

namespace {

using lab::Buffer;
using lab::Role;

struct RunOptions {
  std::string kernel, shape, input, output, order;
  DeviceOptions device{.name = "simt"};
  std::uint64_t seed = 1;
  bool random = false;
};

struct Chosen {
  std::string name;  // as messages say it
  const lab::Contract* contract;
  const kernels::KernelTable* table;
};

Chosen choose(const std::string& name, const Device& device) {
  if (device.name() == "cpu") {
    const std::string kernel = name.substr(0, name.find('/'));
    if (name != kernel && name != kernel + "/cpu")
      usage_fail("'{}': --device cpu has one implementation, '{}/cpu'", name, kernel);
    std::vector<KernelVariant> cpu;
    for (const auto& contract : lab::contracts())
      cpu.push_back({.kernel = std::string(contract->name()), .name = "cpu"});
    lab::select(cpu, kernel);  // says what is wrong
    return {kernel + "/cpu", &lab::find_contract(kernel), &device.kernels()};
  }
  const DeviceModule& module = load_device_module(device.name());
  const KernelVariant v = lab::select_one(module.variants(), name);
  if (!v.library.empty() && module.set_order != nullptr)
    fail("'{}' calls {}, which {} cannot execute", name, v.library, device.name());
  return {v.kernel + "/" + v.name, &lab::find_contract(v.kernel), module.table(v.kernel, v.name)};
}

void set_order(const std::string& order, std::uint64_t seed, const Device& device) {
  if (order.empty()) return;
  if (!device.name().starts_with("simt"))
    usage_fail("--order: only simt has an order of threads, {} has none", device.name());
  load_device_module(device.name()).set_order(lab::parse_thread_order(order), seed);
}

// Copies the file's arrays into the memory; which buffers it has.
std::vector<bool> read_inputs(const std::string& path, lab::CallMemory& memory) {
  const NpzReader file(path);
  const std::span<const Buffer> buffers = memory.buffers();
  std::vector<bool> given(buffers.size());
  for (const std::string& name : file.names()) {
    const auto buffer = std::ranges::find_if(
        buffers, [&](const Buffer& b) { return b.name == name && b.role != Role::output; });
    if (buffer == buffers.end()) {
      std::vector<std::string> inputs;
      for (const Buffer& b : buffers)
        if (b.role != Role::output) inputs.push_back(b.name);
      fail("'{}': '{}' is not an input of this call; inputs are {}", path, name, fmt::join(inputs, ", "));
    }
    const NpyHeader header = file.header(name);
    if (header.dtype != buffer->type || header.shape != buffer->dims)
      fail("'{}': '{}' is {} {}, this call needs {} {}", path, name, dtype_name(header.dtype),
           shape_text(header.shape), dtype_name(buffer->type), shape_text(buffer->dims));
    const auto i = static_cast<std::size_t>(buffer - buffers.begin());
    std::ranges::copy(file.read(name).data, memory.host(i).begin());
    if (buffer->type == Dtype::f32) lab::make_written(memory.host(i));
    given[i] = true;
  }
  return given;
}

void print_buffer(const Buffer& buffer, std::size_t width, const std::string& what) {
  fmt::print("{:<{}}  {} {}  {}\n", buffer.name, width, dtype_name(buffer.type), shape_text(buffer.dims),
             what);
}

std::vector<double> first_values(const Buffer& buffer, std::span<const std::byte> bytes) {
  return lab::load(buffer, bytes.first(std::min(bytes.size(), 6 * sizeof(float))));
}

std::string values_text(const Buffer& buffer, const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(fmt::format("{:.6g}", value));
  if (std::ssize(values) < buffer.count()) texts.emplace_back("…");
  return fmt::format("{}", fmt::join(texts, " "));
}

// The arrays that the kernel has written, by buffer name.
std::map<std::string, Array> written_arrays(lab::CallMemory& memory) {
  std::map<std::string, Array> arrays;
  for (std::size_t i = 0; i < memory.buffers().size(); ++i) {
    const Buffer& buffer = memory.buffers()[i];
    if (buffer.role == Role::input) continue;
    const std::span<const std::byte> bytes = memory.host(i);
    arrays[buffer.name] = {buffer.type, buffer.dims, {bytes.begin(), bytes.end()}};
  }
  return arrays;
}

void check_written(const Buffer& buffer, std::span<const std::byte> bytes, const std::string& kernel) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(float))
    if (lab::not_written(&bytes[at]))
      fail("{}: {}[{}] is not written, or made of memory that is not", kernel, buffer.name,
           at / sizeof(float));
}

// Fills the inputs; which of them the file had.
std::vector<bool> fill_inputs(const RunOptions& options, const lab::Contract& contract,
                              const lab::Shape& shape, lab::CallMemory& memory) {
  const std::span<const Buffer> buffers = memory.buffers();
  std::vector<bool> given(buffers.size());
  if (!options.input.empty()) {
    given = read_inputs(options.input, memory);
    for (std::size_t i = 0; i < buffers.size() && !options.random; ++i)
      if (!given[i] && buffers[i].role != Role::output)
        fail("'{}': input '{}' is missing, {} {}; --random draws what is missing", options.input,
             buffers[i].name, dtype_name(buffers[i].type), shape_text(buffers[i].dims));
  }
  lab::draw_inputs(contract, shape, options.seed, given, memory);
  return given;
}

int run_kernel(const RunOptions& options) {
  check_output_beside_results(options.output, ".npz", options.input);
  const std::unique_ptr<Device> device = open_device(options.device);
  const Chosen chosen = choose(options.kernel, *device);
  const lab::Contract& contract = *chosen.contract;
  const lab::Shape shape = contract.complete(lab::parse_shape(options.shape));
  set_order(options.order, options.seed, *device);
  lab::CallMemory memory(*device, contract.buffers(shape), contract.workspace(*chosen.table, shape));
  const std::vector<bool> given = fill_inputs(options, contract, shape, memory);

  memory.upload();
  in_context(chosen.name, [&] {
    contract.launch(*chosen.table, shape, memory.addresses(), memory.workspace(), device->stream());
    device->synchronize();
  });
  memory.download();

  const std::span<const Buffer> buffers = memory.buffers();
  // Written before anything is printed, which may end the program: by a closed pipe.
  if (!options.output.empty()) write_npz(options.output, written_arrays(memory));
  if (!json_wanted()) fmt::print("{} on {}, {}\n", chosen.name, device->name(), lab::to_string(shape));
  std::size_t width = 0;
  for (const Buffer& b : buffers) width = std::max(width, b.name.size());
  std::vector<Fields> written;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const bool drawn = buffers[i].role != Role::output && !given[i];
    if (drawn && !json_wanted())
      print_buffer(buffers[i], width, fmt::format("drawn from seed {}", options.seed));
    if (buffers[i].role == Role::input) continue;
    const std::span<const std::byte> bytes = memory.host(i);
    const std::vector<double> values = first_values(buffers[i], bytes);
    if (json_wanted())
      written.push_back({{"name", buffers[i].name},
                         {"dtype", std::string(dtype_name(buffers[i].type))},
                         {"shape", buffers[i].dims},
                         {"first_values", values}});
    else
      print_buffer(buffers[i], width, values_text(buffers[i], values));
  }
  const std::string fault = memory.wrong_write();
  if (!fault.empty()) fail("{}: {}", chosen.name, fault);
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].role == Role::output) check_written(buffers[i], memory.host(i), chosen.name);
  if (json_wanted())
    print_json(Fields{{"kernel", chosen.name},
                      {"device", std::string(device->name())},
                      {"shape", lab::to_string(shape)},
                      {"buffers", written}});
  return exit_done;
}

}  // namespace

void add_kernels_run(CLI::App& kernels, Run& run) {
  add_command<RunOptions>(
      kernels, run, "run", "Run one variant on given or random inputs of any shape",
      [](CLI::App& command, RunOptions& options) {
        command
            .add_option("KERNEL", options.kernel,
                        "KERNEL/VARIANT, or KERNEL for what programs use; `cuelbo kernels list KERNEL` shows "
                        "sizes and buffers")
            ->required();
        command.add_option("--shape", options.shape,
                           "Sizes, as in rows=128,in=784; the usual ones if left out");
        command.add_option("-i,--input", options.input,
                           "The inputs: .npz with arrays named as the buffers; all are drawn if left out");
        command.add_option("-o,--output", options.output, "The .npz to write the outputs to");
        command.add_flag("--random", options.random, "Draw the inputs that the file does not have");
        add_seed_option(command, options.seed, "Seed of random inputs, and of --order random");
        command.add_option("--order", options.order, "Order of threads on simt: forward, reverse or random");
        add_lab_device(command, options.device, "simt, simt-checked, cuda, cuda:N or cpu");
      },
      run_kernel);
}

}  // namespace cuelbo
