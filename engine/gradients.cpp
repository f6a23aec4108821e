#include "engine/gradients.hpp"

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
  if (info.kind == Program::Kind::parameter && info.requires_gradient && info.uses == 1) {
    const std::int64_t offset = program_->parameters_->parameter(info.parameter).offset;
    return program_->view(program_->flat_gradients_, info.shape, offset);
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

void Gradients::sweep(Tensor loss) {
  Program& program = *program_;
  before_activation_.assign(program.tensors_.size(), false);
  program.flat_gradients_ = program.tensor("parameter gradients",
                                           {std::max<std::int64_t>(program.parameters_->trained_count(), 1)});
  gradients_.emplace(loss.id(), fill(program, loss.shape(), 1.0F));

  for (auto entry = program.tape_.rbegin(); entry != program.tape_.rend(); ++entry) {
    bool reached = false;
    for (const Tensor y : entry->outputs) reached = reached || has(y);
    if (!reached) continue;
    std::swap(program.scope_, entry->scope);
    entry->backward(*this);
    std::swap(program.scope_, entry->scope);
  }
  finish_parameters();
}

// Every element of the flat buffer gets a value: gradients that were not computed in place are copied, gaps and
// parameters that the loss does not depend on are zero.
void Gradients::finish_parameters() {
  Program& program = *program_;
  const auto flat = [&](std::int64_t offset, std::int64_t count) {
    return program.view(program.flat_gradients_, {count}, offset);
  };
  std::int64_t end = 0;  // of what is filled so far
  const std::vector<Parameter>& parameters = program.parameters_->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    if (!p.trained) continue;
    const auto tensor = program.parameter_tensors_.find(static_cast<int>(i));
    const auto gradient =
        tensor == program.parameter_tensors_.end() ? gradients_.end() : gradients_.find(tensor->second);
    if (gradient == gradients_.end()) continue;  // part of the gap
    if (p.offset > end) fill_into(flat(end, p.offset - end), 0.0F);
    const std::int64_t count = element_count(p.shape);
    const Program::TensorInfo& info = program.info(gradient->second);
    if (info.root != program.flat_gradients_.id()) {
      const Tensor place = program.view(program.flat_gradients_, p.shape, p.offset);
      copy_into(gradient->second, place);
      gradient->second = place;
    }
    end = p.offset + count;
  }
  if (program.parameters_->trained_count() > end)
    fill_into(flat(end, program.parameters_->trained_count() - end), 0.0F);
}

}  // namespace cuelbo
