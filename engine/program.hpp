// A program is recorded once, planned once and replayed many times.
//
//   record   operations append launches (forward, then the reverse sweep, then the optimizer) and create tensors
//   plan     every tensor and workspace gets an address in one arena, shared by tensors whose lifetimes do not meet
//   replay   the flat list of launches runs: no allocation, no shape logic
//
// In eager mode the same calls run every launch as it is recorded, each tensor in memory of its own: the reference that
// replay must equal to the bit.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/device.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace cuelbo {

class Gradients;

// Turns tensors into pointers for one launch. An absent tensor gives null. While a program is being recorded the
// pointers are not null and not usable: only shapes and presence count.
class Addresses {
 public:
  const float* read(Tensor t) const { return reinterpret_cast<const float*>(at(t)); }
  const std::int32_t* read_int(Tensor t) const { return reinterpret_cast<const std::int32_t*>(at(t)); }
  float* write(Tensor t) const { return reinterpret_cast<float*>(at(t)); }
  const kernels::StepCounter* step_counter() const { return step_; }
  void* workspace() const { return workspace_; }

 private:
  friend class Program;
  std::byte* at(Tensor t) const {
    if (!t) return nullptr;
    return addresses_ != nullptr ? addresses_[t.id()] : unusable();
  }
  static std::byte* unusable() { return reinterpret_cast<std::byte*>(std::uintptr_t{64}); }

  std::byte* const* addresses_ = nullptr;
  const kernels::StepCounter* step_ = reinterpret_cast<const kernels::StepCounter*>(unusable());
  void* workspace_ = nullptr;
};

// The gradients of one loss, as tensors of its program.
class LossGradients {
 public:
  Tensor of(Tensor x) const;         // of an input or a parameter; throws Error when there is none
  Tensor flat(int group = 0) const;  // of all parameters of a group (trained_count); throws likewise

 private:
  friend class Program;
  std::map<int, Tensor> tensors_;  // by tensor id
  std::map<int, Tensor> groups_;
};

class Program {
 public:
  enum class Mode { planned, eager };
  struct Options {
    Mode mode = Mode::planned;
    bool gradients = true;  // false: inference, no parameter needs a gradient
    // The caller promises that no parameter changes after plan(): what kernels make of weights is made then.
    bool constant_parameters = false;
  };
  using Backward = std::function<void(Gradients&)>;

  Program(Device& device, ParameterSet& parameters, Options options);
  Program(Device& device, ParameterSet& parameters) : Program(device, parameters, Options{}) {}
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // ---- leaves
  Tensor input(std::string name, Shape shape, bool requires_gradient = false);
  Tensor parameter(int index);
  Tensor constant(std::string name, Shape shape, std::span<const float> values);
  Tensor step_values(std::string name, std::span<const float> values);  // (n); set_step_values changes them

  // ---- recording, for operations (engine/operations/)
  Tensor tensor(std::string_view name, Shape shape);
  // Elements [offset, offset + size of shape) of `base`.
  Tensor view(Tensor base, Shape shape, std::int64_t offset = 0);

  // Declares what an operation computes from what. Throws Error when a gradient is needed and `backward` is null.
  void operation(std::string_view name, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                 Backward backward);
  static constexpr std::nullptr_t no_backward = nullptr;
  // y's producer applied `activation` last: a consumer may multiply y's gradient by its derivative (Gradients).
  void set_activation(Tensor y, kernels::Activation activation);

  // Appends one launch, of the kernel whose arguments make(addresses) builds. `in_place` names (input, output) pairs that
  // may share memory. A kernel that can prepare its `weight` does so once if that is a constant parameter.
  template <class Make>
  void launch(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs, const Make& make,
              const std::vector<std::pair<Tensor, Tensor>>& in_place = {}, Tensor weight = {}) {
    using Args = std::invoke_result_t<Make, const Addresses&>;
    constexpr std::string_view name = kernels::contract_name<Args>;
    const kernels::Kernel<Args>& kernel = device_->kernels().*kernels::kernel_of<Args>;
    Args shape = make(Addresses{});
    Tensor prepared;
    if constexpr (requires { shape.prepared; }) {
      const bool can = kernel.prepare != nullptr && weight && is_constant_parameter(weight);
      if (const std::size_t bytes = can ? kernel.prepared_bytes(shape) : 0; bytes > 0) {
        prepared = bytes_tensor(std::string(name) + " prepared", bytes);
        prepare_at_plan(prepared, [prepare = kernel.prepare, make, prepared](const Addresses& at,
                                                                             kernels::Stream stream) {
          prepare(make(at), at.write(prepared), stream);
        });
        shape.prepared = Addresses{}.read(prepared);
      }
    }
    const std::size_t workspace = kernel.workspace != nullptr ? kernel.workspace(shape) : 0;
    auto run = [start = kernel.launch, make, prepared](const Addresses& at, kernels::Stream stream) {
      Args args = make(at);
      if constexpr (requires { args.workspace; }) args.workspace = at.workspace();
      [[maybe_unused]] const float* const ready = at.read(prepared);
      if constexpr (requires { args.prepared; }) args.prepared = ready;
      start(args, stream);
    };
    append(name, inputs, outputs, std::move(run), workspace, cost(shape), in_place);
  }

  std::uint32_t next_noise_operation() { return noise_operations_++; }
  const kernels::KernelTable& kernels() const { return device_->kernels(); }

  // Names inside a scope get its prefix: "encoder.0/linear_forward".
  class Scope {
   public:
    Scope(Program& program, std::string_view name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Program* program_;
    std::size_t length_;
  };

  // ---- reverse sweep
  // Records the gradients of `loss` (one element) with respect to the parameters of these groups, all if none is named, and
  // to the inputs that require one. Each call is a sweep of its own and may be for another loss.
  LossGradients gradients(Tensor loss, const std::vector<int>& groups = {});

  // ---- running
  void keep(Tensor t);  // stays readable after replay; call before plan
  void plan();
  void replay();
  // Runs the launches one by one until one leaves a NaN or Inf in an output; returns "operation (output)", empty when none.
  std::string find_non_finite();

  void set_step(std::uint64_t seed, std::uint64_t step) { step_counter() = {.seed = seed, .step = step}; }
  void set_step_values(Tensor t, std::span<const float> values);
  // Throw Error if the size does not fit, if a written tensor is not an input, or if a read tensor was not kept, so that
  // its memory may already hold another one.
  void write(Tensor t, std::span<const float> values);
  void write_int(Tensor t, std::span<const std::int32_t> values);
  // Begins to write an input for the next replay while the current one runs. The values must not change until that
  // replay has been called.
  void prefetch(Tensor t, std::span<const float> values);
  void read(Tensor t, std::span<float> values);
  std::vector<float> read(Tensor t);
  float read_scalar(Tensor t);

  // ---- looking at it
  struct Launch {
    std::string name;
    std::vector<int> inputs, outputs;  // tensor ids
    int workspace = -1;                // tensor id, or -1
    kernels::Cost cost;
    std::function<void(const Addresses&, kernels::Stream)> run;
    std::vector<std::pair<int, int>> in_place;
  };
  struct Placement {  // of one tensor in the arena
    std::string name;
    Shape shape;
    std::int64_t bytes = 0, offset = 0;
    int first = 0, last = 0;  // launches
    bool persistent = false;  // inputs, constants and kept tensors: never shared
    int shares_with = -1;     // index of the placement that it reuses in place, or -1
  };
  const std::vector<Launch>& launches() const { return launches_; }
  std::vector<Placement> placements() const;
  std::int64_t arena_bytes() const { return arena_bytes_; }
  std::int64_t unshared_bytes() const;  // what the arena would be without sharing
  std::string plan_table() const;

  Device& device() { return *device_; }
  ParameterSet& parameters() { return *parameters_; }
  Mode mode() const { return options_.mode; }

 private:
  friend class Tensor;
  friend class Gradients;
  friend class LossGradients;

  enum class Kind { computed, input, constant, parameter, step_values, view };
  struct TensorInfo {
    std::string name;
    Shape shape;
    Kind kind = Kind::computed;
    int root = -1;            // the tensor whose memory a view shares, itself otherwise
    std::int64_t offset = 0;  // elements from the start of root
    int parent = -1;          // of a view
    int parameter = -1;
    bool requires_gradient = false;
    bool kept = false;
    int uses = 0;  // operations with a backward that take it as an input
    kernels::Activation activation = kernels::Activation::identity;
    std::vector<float> values;  // of a constant, until planned
  };
  struct TapeEntry {
    std::vector<Tensor> inputs, outputs;
    Backward backward;
    std::string scope;
  };
  struct Storage;  // roots that share memory in place
  struct Layout;

  TensorInfo& info(Tensor t);
  const TensorInfo& info(Tensor t) const { return tensors_[static_cast<std::size_t>(t.id())]; }
  Tensor add_tensor(TensorInfo added);
  void append(std::string_view name, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
              std::function<void(const Addresses&, kernels::Stream)> run, std::size_t workspace,
              kernels::Cost cost, const std::vector<std::pair<Tensor, Tensor>>& in_place);
  bool is_constant_parameter(Tensor t) const;
  Tensor bytes_tensor(std::string_view name, std::size_t bytes);
  void prepare_at_plan(Tensor prepared, std::function<void(const Addresses&, kernels::Stream)> prepare);
  Addresses addresses_of(int workspace) const;
  bool is_leaf(Tensor t) const { return info(t).kind == Kind::input || info(t).kind == Kind::parameter; }
  void check_mine(Tensor t, std::string_view user) const;
  void check_mine(const std::vector<Tensor>& tensors,
                  std::string_view user) const;  // absent ones are left out
  kernels::StepCounter& step_counter() {
    return *reinterpret_cast<kernels::StepCounter*>(step_bytes_.data());
  }
  void ensure_memory(int id);  // eager mode
  void bind(int id);
  void upload_step_values();
  void run_launch(const Launch& launch);
  Layout layout() const;
  static bool persistent(const TensorInfo& root) { return root.kind != Kind::computed || root.kept; }
  std::byte* ready_address(Tensor t, std::size_t elements, const char* verb);
  std::byte* input_address(Tensor t, std::size_t elements);
  void upload(Tensor t, const void* values, std::size_t elements);

  Device* device_;
  ParameterSet* parameters_;
  Options options_;
  std::vector<TensorInfo> tensors_;
  std::vector<Launch> launches_;
  std::vector<std::function<void(const Addresses&, kernels::Stream)>> preparations_;  // run when planned
  std::vector<TapeEntry> tape_;
  std::map<int, int> parameter_tensors_;  // parameter index → tensor id
  std::string scope_;
  std::uint32_t noise_operations_ = 0;

  // Host copy of what changes from step to step: the counter, then the step values.
  std::vector<std::byte> step_bytes_;
  DeviceMemory step_memory_;
  DeviceMemory arena_;
  std::vector<DeviceMemory> eager_memory_;
  std::vector<std::byte*> addresses_;  // by tensor id
  std::int64_t arena_bytes_ = 0;
  bool planned_ = false;
  bool captured_ = false;
  std::unique_ptr<DeviceGraph> graph_;  // of all launches, if the device has graphs

  struct Prefetched {
    int id = -1;
    std::unique_ptr<Prefetch> copy;
    bool begun = false;
  };
  std::vector<Prefetched> prefetched_;  // one an input that has been prefetched
};

}  // namespace cuelbo
