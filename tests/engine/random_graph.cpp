#include "tests/engine/random_graph.hpp"

namespace cuelbo::test {

RandomGraph::RandomGraph(Machine& machine, std::uint64_t seed, int operations, Program::Mode mode)
    : program(*machine.device, machine.parameters, {.mode = mode}), generator_(seed) {
  // Eager programs use parameters from the first launch on, so all exist before.
  for (int i = 0; i < 6; ++i) {
    const auto out = static_cast<std::int64_t>(1 + below(9)), in = static_cast<std::int64_t>(1 + below(9));
    for (const Shape& shape : {Shape{out, in}, Shape{out}}) {
      const std::string name = fmt::format("p{}", machine.parameters.parameters().size());
      parameters_.push_back(
          machine.parameters.create(name, shape, uniform(element_count(shape), generator_())));
    }
  }
  // Kernels cut long tensors into several tasks.
  const std::int64_t rows = seed % 8 == 0 ? 4001 : 12;
  program.set_step(seed, 3);
  for (int i = 0; i < 3; ++i) {
    const Shape shape = {rows, static_cast<std::int64_t>(1 + below(9))};
    pool_.push_back(
        program.constant(fmt::format("x{}", i), shape, uniform(element_count(shape), generator_())));
  }
  const Tensor trained = program.parameter(parameters_.front());
  pool_.push_back(linear(pool_[0], weight(trained.columns(), pool_[0].columns()), {}));
  pool_.push_back(linear(pool_.back(), trained, {}));
  for (int i = 0; i < operations; ++i) pool_.push_back(grow());

  for (const Tensor t : pool_) {
    if (!t.requires_gradient() || (below(3) == 0 && loss)) continue;
    const Tensor part =
        sum(multiply(bounded(t), program.constant("w", t.shape(), uniform(t.size(), generator_()))));
    loss = loss ? add(loss, part) : part;
  }
  for (const Tensor t : pool_)
    if (below(4) == 0) kept.push_back(t);
  flat_gradients = program.gradients(loss).flat();
  kept.push_back(loss);
  kept.push_back(flat_gradients);
  for (const Tensor t : kept) program.keep(t);
  if (mode == Program::Mode::planned) program.plan();
}

Tensor RandomGraph::weight(std::int64_t out, std::int64_t in) {
  const Shape shape = {out, in};
  for (const int index : parameters_)
    if (program.parameters().parameter(index).shape == shape) return program.parameter(index);
  return program.constant("weight", shape, uniform(out * in, generator_()));
}

Tensor RandomGraph::another(const Shape& shape) {
  const std::size_t start = below(pool_.size());
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    const Tensor t = pool_[(start + i) % pool_.size()];
    if (t.size() == element_count(shape)) return reshape(t, shape);
  }
  return fill(program, shape, 0.5F);
}

Tensor RandomGraph::grow() {
  const Tensor x = pick();
  const std::int64_t columns = x.columns();
  switch (below(18)) {
    case 0:
    case 1: {
      const int index = parameters_[2 * below(parameters_.size() / 2)];
      const std::int64_t in = program.parameters().parameter(index).shape[1];
      const auto activation = static_cast<Activation>(below(5));
      const Tensor bias = below(2) == 0 ? program.parameter(index + 1) : Tensor{};
      return linear(columns == in ? x : linear(x, weight(in, columns), {}), program.parameter(index), bias,
                    activation);
    }
    case 2: return add(x, another(x.shape()));
    case 3: return multiply(bounded(x), another(x.shape()));
    case 4: return affine(x, -0.75F, 0.25F);
    case 5: return exp(bounded(x));
    case 6: return activate(x, static_cast<Activation>(below(5)));
    case 7: return softmax(x);
    case 8: return log_softmax(bounded(x));
    case 9: {
      const auto begin = static_cast<std::int64_t>(below(static_cast<std::size_t>(columns)));
      return slice_columns(x, begin, columns - begin);
    }
    case 10: {
      const Tensor y = pick();
      return x.rows() == y.rows() && columns + y.columns() < 24 ? concat_columns({x, y, x})
                                                                : affine(x, 0.5F, 0);
    }
    case 11: return reshape(x, {columns, x.rows()});
    case 12: return stop_gradient(x);
    case 13: return reparameterize(x, bounded(another(x.shape())));
    case 14:
      return gaussian_log_density(bounded(x), bounded(another(x.shape())), bounded(another(x.shape())));
    case 15: return concrete(bounded(x), 0.7F);
    case 16: {
      if (x.rows() < 2) return affine(x, 0.5F, 0);
      const auto row = [&](float value) { return fill(program, {columns}, value); };
      return batch_norm(x, {row(1.5F), row(0.25F), row(0), row(1)}, true, static_cast<Activation>(below(5)));
    }
    default: return reshape(sum_columns(x, 0.25F), {x.rows(), 1});
  }
}

}  // namespace cuelbo::test
