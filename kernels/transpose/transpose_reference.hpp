#pragma once

#include <cstdint>

namespace cuelbo::kernels::reference {

template <class T>
void transpose(std::int64_t batch, std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c)
        y[(b * columns + c) * rows + r] = x[(b * rows + r) * columns + c];
}

}  // namespace cuelbo::kernels::reference
