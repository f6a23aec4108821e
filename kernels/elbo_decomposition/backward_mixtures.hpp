// The backward pass of blocks with discrete groups.
#pragma once

#include "kernels/elbo_decomposition/backward_memory.hpp"
#include "kernels/elbo_decomposition/class_tile.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

// With S_k the sum of class k, the gradient of a pair is Σ_k dlog_q q_k w e Q_k / S_k: class_factor is dlog_q q_k / S_k.
// Sums and densities are relative to 2^mixture_level, the largest of the row's sums.
inline void prepare_mixtures(const Backward& b, std::int64_t row, std::int32_t r, BackwardScratch& s) {
  constexpr float largest_ratio =
      100;  // log₂; only classes of no probability are that much below the largest sum
  const BlockPlan& plan = b.plan;
  for (std::int32_t i = 0; i < plan.span_count; ++i) {
    const PlanSpan& span = plan.spans[i];
    if (span.mixtures.begin == span.mixtures.end) continue;
    const double offset = b.memory.span_offset[i];
    float* const ratio = s.class_factor + r * plan.class_sums;
    const float* const log_sums = b.args.log_class_sums + row * plan.class_sums;
    float most = -3.402823466e+38F;
    for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m) {
      const PlanMixture& mixture = plan.mixtures[m];
      for (std::int64_t k = mixture.saved_column; k < mixture.saved_column + mixture.classes; ++k) {
        ratio[k] = static_cast<float>(static_cast<double>(log_sums[k]) * log2_e - offset);
        most = ratio[k] > most ? ratio[k] : most;
      }
    }
    s.mixture_level[r * plan.span_count + i] = most;
    for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m) {
      const PlanMixture& mixture = plan.mixtures[m];
      const float gradient = b.args.dlog_q[row * plan.block_count + mixture.block];
      float* const out = ratio + mixture.saved_column;
      for (std::int32_t k = 0; k < mixture.classes; k += lanes) {
        const int count = mixture.classes - k < lanes ? mixture.classes - k : lanes;
        const vfloat exponent = vmin(broadcast(largest_ratio), most - load_partial(out + k, count));
        store_partial(out + k, exp2(exponent) * gradient, count);
      }
      const float* const q = b.args.row_probabilities + row * plan.class_columns;
      for (std::int32_t k = 0; k < mixture.classes; ++k)
        out[k] *= static_cast<float>(class_probability(plan, mixture.groups, k, q));
    }
  }
}

// drow_probabilities of one row: Σ over the blocks and their classes of dlog_q · log S_k · ∂q_k.
inline void row_probability_gradients(const Backward& b, std::int64_t row) {
  const BlockPlan& plan = b.plan;
  float* const out = b.args.drow_probabilities + row * plan.class_columns;
  const float* const q = b.args.row_probabilities + row * plan.class_columns;
  for (std::int64_t c = 0; c < plan.class_columns; ++c) out[c] = 0;
  for (std::int32_t m = 0; m < plan.mixture_count; ++m) {
    const PlanMixture& mixture = plan.mixtures[m];
    const float* const log_sums = b.args.log_class_sums + row * plan.class_sums + mixture.saved_column;
    const double gradient = static_cast<double>(b.args.dlog_q[row * plan.block_count + mixture.block]);
    for (std::int32_t k = 0; k < mixture.classes; ++k) {
      const double log_sum = static_cast<double>(log_sums[k]);
      for_each_class(plan, mixture.groups, k, [&](std::int32_t c, std::int32_t column) {
        out[column] +=
            static_cast<float>(gradient * log_sum * class_probability(plan, mixture.groups, k, q, c));
      });
    }
  }
}

// One class: its part of mixture_gradient, and the gradient of its probability in the columns.
inline void class_gradients(const float* probability, const float* factor, std::int64_t factor_stride,
                            std::int32_t rows, BackwardScratch& s) {
  float* const gradient = s.mixture_gradient;
  const float* const weights = s.mixture_weights;
  for (std::int64_t j = 0; j < tile; j += 4 * lanes) {  // tile is a multiple of 4 vectors
    vfloat p[4], dp[4] = {};
    for (int i = 0; i < 4; ++i) p[i] = load(probability + j + i * lanes);
    for (std::int32_t r = 0; r < rows; ++r) {
      const vfloat k = broadcast(factor[r * factor_stride]);
      for (int i = 0; i < 4; ++i) {
        const std::int64_t at = r * tile + j + i * lanes;
        store(gradient + at, fma(k, p[i], load(gradient + at)));
        dp[i] = fma(k, load(weights + at), dp[i]);
      }
    }
    for (int i = 0; i < 4; ++i) store(s.class_gradient + j + i * lanes, dp[i]);
  }
}

// Adds to the span's gradients and to the sums of the columns' class gradients.
inline void mixtures_of_span(const Backward& b, std::int64_t q, std::int32_t i, std::int32_t rows,
                             BackwardScratch& s) {
  const BlockPlan& plan = b.plan;
  const PlanSpan& span = plan.spans[i];
  const float bound = b.largest_exponent + 12;  // a class of the pair may have 1 / max_block_classes of it
  const float* const table = b.memory.tables.classes_of(q);
  float* const sums = s.class_sums + q * plan.class_columns * tile;
  for (std::int32_t r = 0; r < rows; ++r) {
    const vfloat level = broadcast(s.mixture_level[r * plan.span_count + i]);
    const float* const logs = s.span_logs + (i * block_rows + r) * tile;
    exp2_tile([=](std::int64_t j) { return relative_log(load(logs + j), level, bound); },
              [=, &s](std::int64_t j, vfloat density) {
                store(s.mixture_density + r * tile + j, density);
                store(s.mixture_weights + r * tile + j, density * load(s.weights + r * tile + j));
                store(s.mixture_gradient + r * tile + j, vfloat{});
              });
  }
  for (std::int32_t m = span.mixtures.begin; m < span.mixtures.end; ++m) {
    const PlanMixture& mixture = plan.mixtures[m];
    for (std::int32_t k = 0; k < mixture.classes; ++k) {
      const float* const probability = class_tile(plan, mixture.groups, k, table, s.class_product);
      const float* const factor = s.class_factor + mixture.saved_column + k;
      class_gradients(probability, factor, plan.class_sums, rows, s);
      for_each_class(plan, mixture.groups, k, [&](std::int32_t c, std::int32_t column) {
        const float* const others = class_tile(plan, mixture.groups, k, table, s.class_product, c);
        float* const out = sums + column * tile;
        for (std::int64_t j = 0; j < tile; j += lanes) {
          const vfloat dp = load(s.class_gradient + j);
          store(out + j, others == nullptr ? load(out + j) + dp : fma(dp, load(others + j), load(out + j)));
        }
      });
    }
  }
  for (std::int32_t r = 0; r < rows; ++r) {
    float* const gradient = s.span_gradient + (i * block_rows + r) * tile;
    for (std::int64_t j = 0; j < tile; j += lanes) {
      store(gradient + j, fma(load(s.mixture_density + r * tile + j), load(s.mixture_gradient + r * tile + j),
                              load(gradient + j)));
    }
  }
}

}  // namespace
}  // namespace cuelbo::kernels::CUELBO_ISA
