#include "engine/gradients.hpp"

#include <algorithm>

#include "engine/error.hpp"
#include "engine/operations.hpp"

namespace cuelbo {

using kernels::Activation;

Tensor Gradients::of(Tensor y) const {
  const auto found = gradients_.find(y.id());
  if (found == gradients_.end()) fail("no gradient reaches '{}'", y.name());
  return found->second;
}

Tensor Gradients::before_activation(Tensor y) {
  const Tensor dy = of(y);
  const Activation activation = program_->info(y).activation;
  if (activation == Activation::identity || before_activation_[static_cast<std::size_t>(y.id())]) return dy;
  return activation_backward(y, dy, activation);
}

Activation Gradients::fuse_activation(Tensor x) {
  Tensor t = x;
  // A view of the whole tensor with no other user is the tensor itself.
  while (program_->info(t).kind == Program::Kind::view && program_->info(t).uses == 1) {
    const Tensor parent(*program_, program_->info(t).parent);
    if (parent.size() != t.size()) return Activation::identity;
    t = parent;
  }
  const Program::TensorInfo& info = program_->info(t);
  if (info.activation == Activation::identity || info.uses != 1) return Activation::identity;
  before_activation_[static_cast<std::size_t>(t.id())] = true;
  return info.activation;
}

Tensor Gradients::target(Tensor x) {
  const Program::TensorInfo& info = program_->info(x);
  if (info.kind == Program::Kind::parameter && wanted(x) && info.uses == 1) {
    const Parameter& p = program_->parameters_->parameter(info.parameter);
    return program_->view(flat_.at(p.group), info.shape, p.offset);
  }
  return program_->tensor("d " + info.name, info.shape);
}

void Gradients::add(Tensor x, Tensor contribution) {
  if (!wanted(x)) return;
  if (contribution.size() != x.size())
    fail("the gradient of '{}' {} got a contribution of shape {}", x.name(), to_string(x.shape()),
         to_string(contribution.shape()));
  if (contribution.shape() != x.shape()) contribution = program_->view(contribution, x.shape());
  const auto [place, first] = gradients_.emplace(x.id(), contribution);
  if (!first) place->second = cuelbo::add(place->second, contribution);
}

Gradients::Gradients(Program& program, const std::vector<int>& groups)
    : program_(&program), before_activation_(program.tensors_.size(), false) {
  for (const int group : groups) flat_.emplace(group, Tensor());
  find_needed();
}

// Leaves first, then what was computed from them, in the order of the tape.
void Gradients::find_needed() {
  needed_.assign(program_->tensors_.size(), false);
  for (std::size_t id = 0; id < needed_.size(); ++id) {
    const Program::TensorInfo& t = program_->tensors_[id];
    if (t.kind == Program::Kind::parameter)
      needed_[id] =
          t.requires_gradient && flat_.contains(program_->parameters_->parameter(t.parameter).group);
    else
      needed_[id] = t.kind == Program::Kind::input && t.requires_gradient;
  }
  for (const Program::TapeEntry& entry : program_->tape_)
    if (std::any_of(entry.inputs.begin(), entry.inputs.end(), [&](Tensor x) { return wanted(x); }))
      for (const Tensor y : entry.outputs) needed_[static_cast<std::size_t>(y.id())] = true;
}

void Gradients::run(Tensor loss) {
  Program& program = *program_;
  if (!wanted(loss))
    fail("the loss '{}' depends on no parameter or input that it is differentiated with respect to",
         loss.name());
  const ParameterSet& parameters = *program.parameters_;
  for (auto& [group, flat] : flat_)
    flat = program.tensor(
        parameters.group_count() == 1 ? "parameter gradients" : parameters.group_name(group) + " gradients",
        {std::max<std::int64_t>(parameters.trained_count(group), 1)});
  gradients_.emplace(loss.id(), fill(program, loss.shape(), 1.0F));

  for (auto entry = program.tape_.rbegin(); entry != program.tape_.rend(); ++entry) {
    if (std::none_of(entry->outputs.begin(), entry->outputs.end(),
                     [&](Tensor y) { return wanted(y) && has(y); }))
      continue;
    std::swap(program.scope_, entry->scope);
    entry->backward(*this);
    std::swap(program.scope_, entry->scope);
  }
  for (const auto& [group, flat] : flat_) finish_parameters(group);
}

// Every element of a group's flat gradients gets a value: gradients that were not computed in place are copied, gaps and
// parameters that the loss does not depend on are zero.
void Gradients::finish_parameters(int group) {
  Program& program = *program_;
  const Tensor all = flat_.at(group);
  const auto flat = [&](std::int64_t offset, std::int64_t count) {
    return program.view(all, {count}, offset);
  };
  std::int64_t end = 0;  // of what is filled so far
  const std::vector<Parameter>& parameters = program.parameters_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    if (!p.trained || p.group != group) continue;
    const auto tensor = program.parameter_tensors_.find(static_cast<int>(i));
    const auto gradient =
        tensor == program.parameter_tensors_.end() ? gradients_.end() : gradients_.find(tensor->second);
    if (gradient == gradients_.end()) continue;  // part of the gap
    if (p.offset > end) fill_into(flat(end, p.offset - end), 0.0F);
    const std::int64_t count = element_count(p.shape);
    const Program::TensorInfo& info = program.info(gradient->second);
    if (info.root != all.id()) {
      const Tensor place = program.view(all, p.shape, p.offset);
      copy_into(gradient->second, place);
      gradient->second = place;
    }
    end = p.offset + count;
  }
  if (const std::int64_t count = program.parameters_->trained_count(group); count > end)
    fill_into(flat(end, count - end), 0.0F);
}

}  // namespace cuelbo
