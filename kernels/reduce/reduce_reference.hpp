#pragma once

#include <cstdint>

#include "kernels/reduce/reduce.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void sum_rows(std::int64_t rows, std::int64_t columns, T factor, const T* x, T* y) {
  for (std::int64_t c = 0; c < columns; ++c) {
    T sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += x[r * columns + c];
    y[c] = factor * sum;
  }
}

template <class T>
void broadcast_rows(std::int64_t rows, std::int64_t columns, T factor, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < rows * columns; ++i) dx[i] = factor * dy[i % columns];
}

template <class T>
void sum_columns(std::int64_t rows, std::int64_t columns, T factor, const T* x, T* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (std::int64_t c = 0; c < columns; ++c) sum += x[r * columns + c];
    y[r] = factor * sum;
  }
}

template <class T>
void broadcast_columns(std::int64_t rows, std::int64_t columns, T factor, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < rows * columns; ++i) dx[i] = factor * dy[i / columns];
}

template <class T>
void sum_of_squares(std::int64_t count, const T* x, T* y) {
  T sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += x[i] * x[i];
  *y = sum;
}

}  // namespace cuelbo::kernels::reference
