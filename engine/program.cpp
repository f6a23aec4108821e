// Recording: leaves, operations and launches.
#include "engine/program.hpp"

#include <cstring>

#include "engine/error.hpp"
#include "engine/gradients.hpp"
#include "kernels/runtime/floating_point.hpp"

namespace cuelbo {

namespace {

constexpr std::size_t step_bytes_capacity = 16384;

std::size_t float_bytes(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

}  // namespace

Program::Program(Device& device, ParameterSet& parameters, Options options)
    : device_(&device),
      parameters_(&parameters),
      options_(options),
      step_bytes_(sizeof(kernels::StepCounter)),
      step_memory_(device, step_bytes_capacity) {
  if (&parameters.device() != &device) fail("a program and its parameters must be on one device");
  step_counter() = {};
}

Program::~Program() = default;

Program::TensorInfo& Program::info(Tensor t) { return tensors_[static_cast<std::size_t>(t.id())]; }

Tensor Program::add_tensor(TensorInfo added) {
  if (planned_) fail("tensor '{}' is created after the program was planned", added.name);
  for (const std::int64_t extent : added.shape)
    if (extent <= 0)
      fail("tensor '{}' has shape {}: every extent must be positive", added.name, to_string(added.shape));
  const int id = static_cast<int>(tensors_.size());
  if (added.root < 0) added.root = id;
  tensors_.push_back(std::move(added));
  addresses_.push_back(nullptr);
  return Tensor(*this, id);
}

Tensor Program::input(std::string name, Shape shape, bool requires_gradient) {
  const Tensor t = add_tensor({.name = std::move(name),
                               .shape = std::move(shape),
                               .kind = Kind::input,
                               .requires_gradient = requires_gradient});
  ensure_memory(t.id());
  return t;
}

Tensor Program::parameter(int index) {
  if (const auto found = parameter_tensors_.find(index); found != parameter_tensors_.end())
    return Tensor(*this, found->second);
  const Parameter& p = parameters_->parameter(index);
  const Tensor t = add_tensor({.name = p.name,
                               .shape = p.shape,
                               .kind = Kind::parameter,
                               .parameter = index,
                               .requires_gradient = p.trained && options_.gradients});
  parameter_tensors_.emplace(index, t.id());
  return t;
}

Tensor Program::constant(std::string name, Shape shape, std::span<const float> values) {
  if (std::ssize(values) != element_count(shape))
    fail("constant '{}' of shape {} cannot hold {} values", name, to_string(shape), values.size());
  const Tensor t = add_tensor({.name = std::move(name),
                               .shape = std::move(shape),
                               .kind = Kind::constant,
                               .values = std::vector<float>(values.begin(), values.end())});
  ensure_memory(t.id());
  return t;
}

Tensor Program::step_values(std::string name, std::span<const float> values) {
  const std::size_t offset = step_bytes_.size();
  if (offset + values.size_bytes() > step_bytes_capacity)
    fail("too many step values: no room for '{}'", name);
  step_bytes_.resize(offset + values.size_bytes());
  std::memcpy(&step_bytes_[offset], values.data(), values.size_bytes());
  return add_tensor({.name = std::move(name),
                     .shape = {std::ssize(values)},
                     .kind = Kind::step_values,
                     .offset = static_cast<std::int64_t>(offset / sizeof(float))});
}

Tensor Program::tensor(std::string_view name, Shape shape) {
  return add_tensor({.name = scope_ + std::string(name), .shape = std::move(shape)});
}

Tensor Program::view(Tensor base, Shape shape, std::int64_t offset) {
  check_mine(base, "view");
  const TensorInfo& of = info(base);
  const std::int64_t count = element_count(shape);
  if (offset < 0 || offset + count > element_count(of.shape))
    fail("a view of {} elements at {} does not fit into '{}' of shape {}", count, offset, of.name,
         to_string(of.shape));
  TensorInfo added{.name = of.name,
                   .shape = std::move(shape),
                   .kind = Kind::view,
                   .root = of.root,
                   .offset = (of.kind == Kind::view ? of.offset : 0) + offset,
                   .parent = base.id()};
  return add_tensor(std::move(added));
}

void Program::check_mine(Tensor t, std::string_view user) const {
  if (&t.program() != this) fail("{}: tensor '{}' belongs to another program", user, t.name());
}

void Program::check_mine(const std::vector<Tensor>& tensors, std::string_view user) const {
  for (const Tensor t : tensors)
    if (t) check_mine(t, user);
}

void Program::operation(std::string_view name, const std::vector<Tensor>& inputs,
                        const std::vector<Tensor>& outputs, Backward backward) {
  check_mine(inputs, name);
  check_mine(outputs, name);
  bool differentiable = false;
  for (const Tensor t : inputs) differentiable = differentiable || (t && t.requires_gradient());
  if (!differentiable) return;
  if (!backward)
    fail("operation '{}{}' has no gradient, but its input needs one: wrap the input in stop_gradient", scope_,
         name);
  for (const Tensor t : inputs)
    if (t) ++info(t).uses;
  for (const Tensor t : outputs) info(t).requires_gradient = true;
  tape_.push_back({.inputs = inputs, .outputs = outputs, .backward = std::move(backward), .scope = scope_});
}

void Program::set_activation(Tensor y, kernels::Activation activation) { info(y).activation = activation; }

void Program::append(std::string_view name, const std::vector<Tensor>& inputs,
                     const std::vector<Tensor>& outputs,
                     std::function<void(const Addresses&, kernels::Stream)> run, std::size_t workspace,
                     kernels::Cost cost, const std::vector<std::pair<Tensor, Tensor>>& in_place) {
  check_mine(inputs, name);
  check_mine(outputs, name);
  Launch added{.name = scope_ + std::string(name), .cost = cost, .run = std::move(run)};
  for (const Tensor t : inputs)
    if (t) added.inputs.push_back(t.id());
  for (const Tensor t : outputs)
    if (t) added.outputs.push_back(t.id());
  for (const auto& [from, to] : in_place)
    if (from && to) added.in_place.emplace_back(from.id(), to.id());
  if (workspace > 0) added.workspace = bytes_tensor(std::string(name) + " workspace", workspace).id();
  launches_.push_back(std::move(added));
  if (options_.mode == Mode::eager) {
    const Launch& launch = launches_.back();
    for (const int id : launch.inputs) ensure_memory(id);
    for (const int id : launch.outputs) ensure_memory(id);
    if (launch.workspace >= 0) ensure_memory(launch.workspace);
    upload_step_values();
    const kernels::DefaultFloatingPoint mode;
    run_launch(launch);
  }
}

bool Program::is_constant_parameter(Tensor t) const {
  return options_.constant_parameters && options_.mode == Mode::planned && info(t).kind == Kind::parameter;
}

Tensor Program::bytes_tensor(std::string_view name, std::size_t bytes) {
  return tensor(name, {static_cast<std::int64_t>((bytes + sizeof(float) - 1) / sizeof(float))});
}

void Program::prepare_at_plan(Tensor prepared,
                              std::function<void(const Addresses&, kernels::Stream)> prepare) {
  keep(prepared);
  preparations_.push_back(std::move(prepare));
}

void Program::ensure_memory(int id) {
  if (options_.mode != Mode::eager) return;
  const TensorInfo& t = tensors_[static_cast<std::size_t>(id)];
  std::byte*& root = addresses_[static_cast<std::size_t>(t.root)];
  const TensorInfo& r = tensors_[static_cast<std::size_t>(t.root)];
  const bool owns = r.kind == Kind::computed || r.kind == Kind::input || r.kind == Kind::constant;
  if (owns && root == nullptr) {
    eager_memory_.emplace_back(*device_, float_bytes(element_count(r.shape)));
    root = eager_memory_.back().data();
    if (r.kind == Kind::constant) device_->upload(root, r.values.data(), r.values.size() * sizeof(float));
  }
  bind(id);
}

Program::Scope::Scope(Program& program, std::string_view name)
    : program_(&program), length_(program.scope_.size()) {
  program.scope_ += name;
  program.scope_ += '/';
}

Program::Scope::~Scope() { program_->scope_.resize(length_); }

LossGradients Program::gradients(Tensor loss, const std::vector<int>& groups) {
  check_mine(loss, "gradients");
  if (loss.size() != 1)
    fail("a loss has one element, '{}' has shape {}", loss.name(), to_string(loss.shape()));
  parameters_->trained();  // no parameter may come after the gradients are laid out
  std::vector<int> wanted = groups;
  if (groups.empty())
    for (int group = 0; group < parameters_->group_count(); ++group) wanted.push_back(group);
  for (const int group : wanted)
    if (group < 0 || group >= parameters_->group_count())
      fail("there is no group {} of parameters: there are {}", group, parameters_->group_count());
  Gradients sweep(*this, wanted);
  sweep.run(loss);
  LossGradients found;
  found.tensors_ = std::move(sweep.gradients_);
  found.groups_ = std::move(sweep.flat_);
  return found;
}

Tensor LossGradients::of(Tensor x) const {
  // In between, fusion may have put the derivative of x's activation into its gradient.
  if (!x.program().is_leaf(x))
    fail("the gradient of '{}' is not available: only inputs and parameters keep theirs", x.name());
  const auto found = tensors_.find(x.id());
  if (found == tensors_.end() || &found->second.program() != &x.program())
    fail("'{}' has no gradient", x.name());
  return found->second;
}

Tensor LossGradients::flat(int group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) fail("the loss was not differentiated with respect to group {}", group);
  return found->second;
}

void Program::keep(Tensor t) {
  check_mine(t, "keep");
  if (planned_) fail("'{}' can be kept only before the program is planned", t.name());
  tensors_[static_cast<std::size_t>(info(t).root)].kept = true;
}

}  // namespace cuelbo
