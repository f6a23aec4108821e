// Double-precision reference of bias.hpp.
#pragma once

#include "kernels/bias/bias.hpp"

namespace cuelbo::kernels::reference {

template <class T>
void bias_backward(const BiasBackward& a, const T* dy, T* dbias) {
  for (std::int64_t c = 0; c < a.channels; ++c) dbias[c] = 0;
  for (std::int64_t i = 0; i < a.rows * a.channels; ++i) dbias[i % a.channels] += dy[i];
}

}  // namespace cuelbo::kernels::reference
