#include "kernels/softmax/softmax.hpp"

#include "kernels/softmax/softmax_simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

// log_probabilities, and probabilities unless null, of one row.
static void log_softmax_row(const float* x, float* probabilities, float* log_probabilities,
                            std::int64_t count) {
  const vfloat maximum = broadcast(maximum_of(x, count));
  const double sum =
      sum_vectors(0, count, [=](std::int64_t i, auto n) { return exp(load(x + i, n) - maximum); });
  const vfloat log_sum = log(broadcast(static_cast<float>(sum)));
  for_vectors(0, count, [=](std::int64_t i, auto n) {
    const vfloat log_probability = (load(x + i, n) - maximum) - log_sum;
    store(log_probabilities + i, log_probability, n);
    if (probabilities != nullptr) store(probabilities + i, exp(log_probability), n);
  });
}

void launch_softmax_forward(const SoftmaxForward& args, Stream stream) {
  parallel_rows(stream, args.rows, args.classes, [&](std::int64_t row) {
    const std::int64_t begin = row * args.classes;
    const float* x = args.logits + begin;
    float* probabilities = args.probabilities != nullptr ? args.probabilities + begin : nullptr;
    if (args.log_probabilities != nullptr) {
      log_softmax_row(x, probabilities, args.log_probabilities + begin, args.classes);
    } else if (probabilities != nullptr) {
      softmax_row(x, 1, probabilities, args.classes);
    }
  });
}

// dlogits = p ⊙ (dp − (Σ p·dp + Σ dlogp)) + dlogp
static void softmax_both_row_backward(const float* p, const float* dp, const float* dlogp, float* dx,
                                      std::int64_t count) {
  const double inner = sum_vectors(0, count, [=](std::int64_t i, auto n) {
    const vfloat term = load(dlogp + i, n);
    return dp == nullptr ? term : fma(load(p + i, n), load(dp + i, n), term);
  });
  const vfloat mean = broadcast(static_cast<float>(inner));
  for_vectors(0, count, [=](std::int64_t i, auto n) {
    const vfloat centred = dp == nullptr ? -mean : load(dp + i, n) - mean;
    store(dx + i, fma(load(p + i, n), centred, load(dlogp + i, n)), n);
  });
}

void launch_softmax_backward(const SoftmaxBackward& args, Stream stream) {
  parallel_rows(stream, args.rows, args.classes, [&](std::int64_t row) {
    const std::int64_t begin = row * args.classes;
    const float* p = args.probabilities + begin;
    const float* dp = args.dprobabilities != nullptr ? args.dprobabilities + begin : nullptr;
    float* dx = args.dlogits + begin;
    if (args.dlog_probabilities != nullptr) {
      softmax_both_row_backward(p, dp, args.dlog_probabilities + begin, dx, args.classes);
    } else if (dp != nullptr) {
      softmax_row_backward(p, dp, 1, dx, args.classes);
    } else {
      for_vectors(0, args.classes, [=](std::int64_t i, auto n) { store(dx + i, broadcast(0), n); });
    }
  });
}

Kernel<SoftmaxForward> softmax_forward(Precision) { return {launch_softmax_forward}; }
Kernel<SoftmaxBackward> softmax_backward(Precision) { return {launch_softmax_backward}; }

}  // namespace cuelbo::kernels::CUELBO_ISA
