// Plain loops: the truth that every device is compared with.
#pragma once

#include <cmath>

#include "kernels/activation/activation_reference.hpp"
#include "kernels/linear/linear.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void linear_forward(const LinearForward& shape, const T* x, const T* weight, const T* bias, T* y) {
  for (std::int64_t r = 0; r < shape.rows; ++r)
    for (std::int64_t o = 0; o < shape.out; ++o) {
      T sum = bias == nullptr ? T(0) : bias[o];
      for (std::int64_t i = 0; i < shape.in; ++i) sum += x[r * shape.in + i] * weight[o * shape.in + i];
      y[r * shape.out + o] = activate(shape.activation, sum);
    }
}

template <class T>
void linear_backward_data(const LinearBackwardData& shape, const T* dy, const T* weight, const T* x, T* dx) {
  for (std::int64_t r = 0; r < shape.rows; ++r)
    for (std::int64_t i = 0; i < shape.in; ++i) {
      T sum = 0;
      for (std::int64_t o = 0; o < shape.out; ++o) sum += dy[r * shape.out + o] * weight[o * shape.in + i];
      if (shape.activation != Activation::identity)
        sum *= derivative_from_output(shape.activation, x[r * shape.in + i]);
      dx[r * shape.in + i] = sum;
    }
}

template <class T>
void linear_backward_weight(const LinearBackwardWeight& shape, const T* x, const T* dy, T* dweight,
                            T* dbias) {
  for (std::int64_t o = 0; o < shape.out; ++o) {
    for (std::int64_t i = 0; i < shape.in; ++i) {
      T sum = 0;
      for (std::int64_t r = 0; r < shape.rows; ++r) sum += dy[r * shape.out + o] * x[r * shape.in + i];
      dweight[o * shape.in + i] = sum;
    }
    if (dbias == nullptr) continue;
    T sum = 0;
    for (std::int64_t r = 0; r < shape.rows; ++r) sum += dy[r * shape.out + o];
    dbias[o] = sum;
  }
}

}  // namespace cuelbo::kernels::reference
