// The reverse sweep: what an operation's backward sees.
#pragma once

#include <map>
#include <vector>

#include "engine/program.hpp"

namespace cuelbo {

class Gradients {
 public:
  // Does this sweep need the gradient of x?
  bool wanted(Tensor x) const { return x && needed_[static_cast<std::size_t>(x.id())]; }
  bool has(Tensor y) const { return gradients_.contains(y.id()); }

  // The gradient of an output y; throws Error when nothing contributed to it.
  Tensor of(Tensor y) const;
  // The same before y's activation: multiplied by its derivative, unless the consumer has already done so.
  Tensor before_activation(Tensor y);

  // A tensor of x's shape to compute a contribution into, to be handed to add(). For a parameter that is used once it is
  // the parameter's place in the flat gradients of its group.
  Tensor target(Tensor x);
  // Adds a contribution; `contribution` may be any tensor of x's size.
  void add(Tensor x, Tensor contribution);

  // The activation whose derivative the caller must multiply x's gradient by, because x comes straight from it and
  // nothing else uses x; identity when there is none. Calling it promises to do so.
  kernels::Activation fuse_activation(Tensor x);

 private:
  friend class Program;
  Gradients(Program& program, const std::vector<int>& groups);
  void find_needed();
  void run(Tensor loss);
  void finish_parameters(int group);

  Program* program_;
  std::map<int, Tensor> flat_;  // of each group that the loss is differentiated with respect to
  std::vector<bool>
      needed_;  // by tensor id, of what was recorded before the sweep: depends on what is wanted
  std::map<int, Tensor> gradients_;      // tensor id → gradient so far
  std::vector<bool> before_activation_;  // by tensor id: the gradient already has the activation's derivative
};

}  // namespace cuelbo
