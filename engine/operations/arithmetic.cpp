// Element-wise arithmetic and reductions.
#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

Tensor add(Tensor a, Tensor b) {
  require_same_size("add", a, b);
  Program& program = a.program();
  const Tensor y = program.tensor("sum", a.shape());
  program.launch({a, b}, {y},
                 [=](const Addresses& at) {
                   return kernels::Add{.count = y.size(), .a = at.read(a), .b = at.read(b), .y = at.write(y)};
                 },
                 {{a, y}, {b, y}});
  program.operation("add", {a, b}, {y}, [=](Gradients& gradients) {
    const Tensor dy = gradients.of(y);
    gradients.add(a, dy);
    gradients.add(b, dy);
  });
  return y;
}

namespace {

// Without a gradient: the product itself is also what its backward needs.
Tensor product(Tensor a, Tensor b, Tensor y) {
  Program& program = a.program();
  program.launch({a, b}, {y},
                 [=](const Addresses& at) {
                   return kernels::Multiply{
                       .count = y.size(), .a = at.read(a), .b = at.read(b), .y = at.write(y)};
                 },
                 {{a, y}, {b, y}});
  return y;
}

Tensor launch_affine(Tensor x, float factor, float offset, Tensor y) {
  Program& program = x.program();
  program.launch(
      {x}, {y},
      [=](const Addresses& at) {
        return kernels::Affine{
            .count = y.size(), .factor = factor, .offset = offset, .x = at.read(x), .y = at.write(y)};
      },
      {{x, y}});
  return y;
}

}  // namespace

Tensor multiply(Tensor a, Tensor b) {
  require_same_size("multiply", a, b);
  const Tensor y = product(a, b, a.program().tensor("product", a.shape()));
  a.program().operation("multiply", {a, b}, {y}, [=](Gradients& gradients) {
    const Tensor dy = gradients.of(y);
    if (gradients.wanted(a)) gradients.add(a, product(dy, b, gradients.target(a)));
    if (gradients.wanted(b)) gradients.add(b, product(dy, a, gradients.target(b)));
  });
  return y;
}

Tensor affine(Tensor x, float factor, float offset) {
  const Tensor y = launch_affine(x, factor, offset, x.program().tensor("affine", x.shape()));
  x.program().operation("affine", {x}, {y}, [=](Gradients& gradients) {
    gradients.add(x, launch_affine(gradients.of(y), factor, 0, gradients.target(x)));
  });
  return y;
}

Tensor exp(Tensor x) {
  Program& program = x.program();
  const Tensor y = program.tensor("exp", x.shape());
  program.launch(
      {x}, {y},
      [=](const Addresses& at) { return kernels::Exp{.count = y.size(), .x = at.read(x), .y = at.write(y)}; },
      {{x, y}});
  program.operation("exp", {x}, {y}, [=](Gradients& gradients) {
    gradients.add(x, product(gradients.of(y), y, gradients.target(x)));
  });
  return y;
}

Tensor sum_rows(Tensor x, float factor) {
  Program& program = x.program();
  const std::int64_t rows = x.rows(), columns = x.columns();
  const Tensor y = program.tensor("row sum", {columns});
  program.launch({x}, {y}, [=](const Addresses& at) {
    return kernels::SumRows{
        .rows = rows, .columns = columns, .factor = factor, .x = at.read(x), .y = at.write(y)};
  });
  program.operation("sum_rows", {x}, {y}, [=](Gradients& gradients) {
    Program& p = y.program();
    const Tensor dy = gradients.of(y), dx = gradients.target(x);
    p.launch({dy}, {dx}, [=](const Addresses& at) {
      return kernels::BroadcastRows{
          .rows = rows, .columns = columns, .factor = factor, .dy = at.read(dy), .dx = at.write(dx)};
    });
    gradients.add(x, dx);
  });
  return y;
}

Tensor sum_columns(Tensor x, float factor) {
  Program& program = x.program();
  const std::int64_t rows = x.rows(), columns = x.columns();
  const Tensor y = program.tensor("column sum", {rows});
  program.launch({x}, {y}, [=](const Addresses& at) {
    return kernels::SumColumns{
        .rows = rows, .columns = columns, .factor = factor, .x = at.read(x), .y = at.write(y)};
  });
  program.operation("sum_columns", {x}, {y}, [=](Gradients& gradients) {
    Program& p = y.program();
    const Tensor dy = gradients.of(y), dx = gradients.target(x);
    p.launch({dy}, {dx}, [=](const Addresses& at) {
      return kernels::BroadcastColumns{
          .rows = rows, .columns = columns, .factor = factor, .dy = at.read(dy), .dx = at.write(dx)};
    });
    gradients.add(x, dx);
  });
  return y;
}

Tensor sum(Tensor x, float factor) { return sum_columns(reshape(x, {1, x.size()}), factor); }

Tensor mean_rows(Tensor x) { return sum_rows(x, 1.0F / static_cast<float>(x.rows())); }

Tensor fill(Program& program, const Shape& shape, float value) {
  const Tensor y = program.tensor("constant", shape);
  fill_into(y, value);
  return y;
}

void fill_into(Tensor y, float value) {
  Program& program = y.program();
  program.launch({}, {y}, [=](const Addresses& at) {
    return kernels::Fill{.count = y.size(), .value = value, .y = at.write(y)};
  });
}

}  // namespace cuelbo
