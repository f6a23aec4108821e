// Operations that only move elements.
#include <algorithm>
#include <utility>

#include "engine/gradients.hpp"
#include "engine/operations.hpp"
#include "engine/operations/check.hpp"

namespace cuelbo {

namespace {

// Columns [x_begin, x_begin + count) of x become columns [y_begin, …) of y.
void copy_columns(Tensor x, std::int64_t x_begin, Tensor y, std::int64_t y_begin, std::int64_t count) {
  Program& program = y.program();
  program.launch({x}, {y}, [=](const Addresses& at) {
    return kernels::CopyColumns{.rows = x.rows(),
                                .columns = count,
                                .x_stride = x.columns(),
                                .y_stride = y.columns(),
                                .x = at.read(x) + x_begin,
                                .y = at.write(y) + y_begin};
  });
}

}  // namespace

void copy_into(Tensor x, Tensor y) {
  require_same_size("copy", x, y);
  Program& program = y.program();
  const std::int64_t count = x.size();
  program.launch({x}, {y}, [=](const Addresses& at) {
    return kernels::CopyColumns{
        .rows = 1, .columns = count, .x_stride = count, .y_stride = count, .x = at.read(x), .y = at.write(y)};
  });
}

Tensor reshape(Tensor x, Shape shape) {
  if (element_count(shape) != x.size())
    fail("reshape: '{}' {} has {} elements, {} has {}", x.name(), to_string(x.shape()), x.size(),
         to_string(shape), element_count(shape));
  Program& program = x.program();
  const Tensor y = program.view(x, std::move(shape));
  program.operation("reshape", {x}, {y}, [=](Gradients& gradients) { gradients.add(x, gradients.of(y)); });
  return y;
}

namespace {

// The last two axes of x change places.
Tensor launch_transpose(Tensor x, Tensor y) {
  const std::int64_t columns = x.columns(), rows = x.shape()[x.shape().size() - 2];
  x.program().launch({x}, {y}, [=](const Addresses& at) {
    return kernels::Transpose{.batch = element_count(x.shape()) / std::max<std::int64_t>(rows * columns, 1),
                              .rows = rows,
                              .columns = columns,
                              .x = at.read(x),
                              .y = at.write(y)};
  });
  return y;
}

}  // namespace

Tensor transpose(Tensor x) {
  Shape shape = x.shape();
  if (shape.size() < 2) fail("transpose: '{}' {} has one axis", x.name(), to_string(shape));
  std::swap(shape[shape.size() - 2], shape[shape.size() - 1]);
  Program& program = x.program();
  const Tensor y = launch_transpose(x, program.tensor("transpose", std::move(shape)));
  program.operation("transpose", {x}, {y}, [=](Gradients& gradients) {
    gradients.add(x, launch_transpose(gradients.of(y), gradients.target(x)));
  });
  return y;
}

Tensor slice_columns(Tensor x, std::int64_t begin, std::int64_t count) {
  if (begin < 0 || count < 1 || begin + count > x.columns())
    fail("slice_columns: columns [{}, {}) of '{}' {}", begin, begin + count, x.name(), to_string(x.shape()));
  Program& program = x.program();
  Shape shape = x.shape();
  shape.back() = count;
  const Tensor y = program.tensor("columns", shape);
  copy_columns(x, begin, y, 0, count);
  program.operation("slice_columns", {x}, {y}, [=](Gradients& gradients) {
    const Tensor dx = gradients.target(x);
    if (count != x.columns()) fill_into(dx, 0);
    copy_columns(gradients.of(y), 0, dx, begin, count);
    gradients.add(x, dx);
  });
  return y;
}

Tensor concat_columns(const std::vector<Tensor>& parts) {
  if (parts.empty()) fail("concat_columns: nothing to concatenate");
  if (parts.size() == 1) return parts.front();
  Program& program = parts.front().program();
  const std::int64_t rows = parts.front().rows();
  std::int64_t columns = 0;
  for (const Tensor part : parts) {
    if (part.rows() != rows)
      fail("concat_columns: '{}' {} has {} rows, the first part has {}", part.name(), to_string(part.shape()),
           part.rows(), rows);
    columns += part.columns();
  }
  const Tensor y = program.tensor("concatenation", {rows, columns});
  std::int64_t begin = 0;
  for (const Tensor part : parts) {
    copy_columns(part, 0, y, begin, part.columns());
    begin += part.columns();
  }
  program.operation("concat_columns", parts, {y}, [=](Gradients& gradients) {
    const Tensor dy = gradients.of(y);
    std::int64_t at = 0;
    for (const Tensor part : parts) {
      if (gradients.wanted(part)) {
        const Tensor dpart = gradients.target(part);
        copy_columns(dy, at, dpart, 0, part.columns());
        gradients.add(part, dpart);
      }
      at += part.columns();
    }
  });
  return y;
}

Tensor stop_gradient(Tensor x) { return x.program().view(x, x.shape()); }

}  // namespace cuelbo
