#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/concrete/concrete.hpp"
#include "kernels/runtime/noise_reference.hpp"
#include "kernels/softmax/softmax_reference.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void concrete_forward(std::int64_t rows, std::int64_t classes, T temperature, const T* logits,
                      const StepCounter& counter, std::uint32_t operation, T* y) {
  for (std::int64_t i = 0; i < rows * classes; ++i)
    y[i] = (logits[i] + gumbel<T>(counter, operation, i)) / temperature;
  softmax_forward<T>(rows, classes, y, y, nullptr);
}

template <class T>
void concrete_backward(std::int64_t rows, std::int64_t classes, T temperature, const T* y, const T* dy,
                       T* dlogits) {
  softmax_backward<T>(rows, classes, y, dy, nullptr, dlogits);
  for (std::int64_t i = 0; i < rows * classes; ++i) dlogits[i] /= temperature;
}

}  // namespace cuelbo::kernels::reference
