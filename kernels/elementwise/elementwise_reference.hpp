#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/elementwise/elementwise.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void add(std::int64_t count, const T* a, const T* b, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

template <class T>
void multiply(std::int64_t count, const T* a, const T* b, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

template <class T>
void affine(std::int64_t count, T factor, T offset, const T* x, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = factor * x[i] + offset;
}

template <class T>
void exp(std::int64_t count, const T* x, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = std::exp(x[i]);
}

template <class T>
void scale_rows(std::int64_t rows, std::int64_t columns, const T* x, const T* scale, T* y) {
  for (std::int64_t i = 0; i < rows * columns; ++i) y[i] = scale[i / columns] * x[i];
}

template <class T>
void fill(std::int64_t count, T value, T* y) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = value;
}

template <class T>
void copy_columns(std::int64_t rows, std::int64_t columns, std::int64_t x_stride, std::int64_t y_stride,
                  const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) y[r * y_stride + c] = x[r * x_stride + c];
  }
}

}  // namespace cuelbo::kernels::reference
