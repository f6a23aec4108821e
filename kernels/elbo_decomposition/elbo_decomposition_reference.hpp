// Brute-force loops over rows, blocks, classes, columns and dimensions; run in double they are the truth.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/elbo_decomposition/elbo_decomposition.hpp"
#include "kernels/gaussian/gaussian_reference.hpp"

namespace cuelbo::kernels::reference {

template <class T>
struct ElboDecompositionInputs {  // shapes as in ElboDecompositionForward
  const T* z = nullptr;
  const T* mean = nullptr;
  const T* logvar = nullptr;
  const T* row_probabilities = nullptr;
  const T* probabilities = nullptr;
  const std::int32_t* own = nullptr;
};

template <class T>
struct ElboDecompositionGradients {
  T* dz = nullptr;
  T* dmean = nullptr;
  T* dlogvar = nullptr;
  T* drow_probabilities = nullptr;
  T* dprobabilities = nullptr;
};

// The classes of a block's discrete groups for index k of their product; the last group's class changes fastest.
inline std::vector<std::int64_t> class_columns(const ElboDecompositionShape& s, const DensityBlock& v,
                                               std::int64_t k) {
  std::vector<std::int64_t> columns;
  for (std::int32_t c = v.group_end - 1; c >= v.group_begin; --c) {
    columns.push_back(first_class_column(s, c) + k % s.classes[c]);
    k /= s.classes[c];
  }
  return columns;
}

template <class T>
T class_product(const T* table_row, const std::vector<std::int64_t>& columns, std::int64_t without = -1) {
  T product = 1;
  for (std::int64_t c : columns)
    if (c != without) product *= table_row[c];
  return product;
}

// log(w_bj · exp(Σ_{d∈V} ℓ[b, j, d]) · Q_jk) for all columns j; columns_of_k is empty for a Gaussian block.
template <class T>
std::vector<T> log_mixture_terms(const ElboDecompositionShape& s, const ElboDecompositionInputs<T>& in,
                                 const DensityBlock& v, std::int64_t row,
                                 const std::vector<std::int64_t>& columns_of_k) {
  std::vector<T> terms(static_cast<std::size_t>(s.columns));
  const std::int64_t classes = class_column_count(s);
  for (std::int64_t j = 0; j < s.columns; ++j) {
    T sum = 0;
    for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d)
      sum += log_normal(in.z[row * s.dims + d], in.mean[j * s.dims + d], in.logvar[j * s.dims + d]);
    const T weight = static_cast<T>(column_weight(s, in.own, row, j));
    const T probability =
        columns_of_k.empty() ? T(1) : class_product(in.probabilities + j * classes, columns_of_k);
    terms[static_cast<std::size_t>(j)] = sum + std::log(weight) + std::log(probability);
  }
  return terms;
}

template <class T>
T log_sum_exp(const std::vector<T>& terms) {
  T maximum = -std::numeric_limits<T>::infinity();
  for (T x : terms) maximum = std::max(maximum, x);
  if (maximum == -std::numeric_limits<T>::infinity()) return maximum;
  T sum = 0;
  for (T x : terms) sum += std::exp(x - maximum);
  return maximum + std::log(sum);
}

template <class T>
void elbo_decomposition_forward(const ElboDecompositionShape& s, const ElboDecompositionInputs<T>& in,
                                T* log_q, T* log_class_sums) {
  const std::int64_t classes = class_column_count(s), saved = saved_columns(s);
  for (std::int64_t b = 0; b < s.rows; ++b) {
    std::int64_t saved_column = 0;
    for (std::int32_t i = 0; i < s.block_count; ++i) {
      const DensityBlock& v = s.blocks[i];
      T& result = log_q[b * s.block_count + i];
      if (v.group_begin == v.group_end) {
        result = log_sum_exp(log_mixture_terms(s, in, v, b, {}));
        continue;
      }
      result = 0;
      for (std::int64_t k = 0; k < block_classes(s, v); ++k) {
        const auto columns = class_columns(s, v, k);
        const T log_sum = log_sum_exp(log_mixture_terms(s, in, v, b, columns));
        if (log_class_sums != nullptr) log_class_sums[b * saved + saved_column++] = log_sum;
        const T q = class_product(in.row_probabilities + b * classes, columns);
        if (q != 0) result += q * log_sum;
      }
    }
  }
}

template <class T>
void elbo_decomposition_backward(const ElboDecompositionShape& s, const ElboDecompositionInputs<T>& in,
                                 const T* dlog_q, const ElboDecompositionGradients<T>& out) {
  const std::int64_t classes = class_column_count(s), dims = s.dims;
  std::fill_n(out.dz, s.rows * dims, T(0));
  std::fill_n(out.dmean, s.columns * dims, T(0));
  std::fill_n(out.dlogvar, s.columns * dims, T(0));
  if (classes > 0) {
    std::fill_n(out.drow_probabilities, s.rows * classes, T(0));
    std::fill_n(out.dprobabilities, s.columns * classes, T(0));
  }
  for (std::int64_t b = 0; b < s.rows; ++b) {
    for (std::int32_t i = 0; i < s.block_count; ++i) {
      const DensityBlock& v = s.blocks[i];
      const bool discrete = v.group_begin < v.group_end;
      for (std::int64_t k = 0; k < block_classes(s, v); ++k) {
        const auto columns = discrete ? class_columns(s, v, k) : std::vector<std::int64_t>{};
        const auto terms = log_mixture_terms(s, in, v, b, columns);
        const T log_sum = log_sum_exp(terms);
        const auto densities = log_mixture_terms(s, in, v, b, {});  // without Q_jk
        const T q = discrete ? class_product(in.row_probabilities + b * classes, columns) : T(1);
        const T gradient = dlog_q[b * s.block_count + i];
        for (std::int64_t c : columns) {
          out.drow_probabilities[b * classes + c] +=
              gradient * log_sum * class_product(in.row_probabilities + b * classes, columns, c);
        }
        if (q == 0) continue;
        for (std::int64_t j = 0; j < s.columns; ++j) {
          const T g = gradient * q * std::exp(terms[static_cast<std::size_t>(j)] - log_sum);
          for (std::int32_t d = v.dim_begin; d < v.dim_end; ++d) {
            const T variance = std::exp(in.logvar[j * dims + d]);
            const T difference = in.z[b * dims + d] - in.mean[j * dims + d];
            out.dz[b * dims + d] -= g * difference / variance;
            out.dmean[j * dims + d] += g * difference / variance;
            out.dlogvar[j * dims + d] += g * (difference * difference / variance - 1) / 2;
          }
          if (columns.empty()) continue;
          const T density = std::exp(densities[static_cast<std::size_t>(j)] - log_sum);
          for (std::int64_t c : columns)
            out.dprobabilities[j * classes + c] +=
                gradient * q * density * class_product(in.probabilities + j * classes, columns, c);
        }
      }
    }
  }
}

}  // namespace cuelbo::kernels::reference
