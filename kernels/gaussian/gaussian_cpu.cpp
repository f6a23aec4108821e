#include "kernels/gaussian/gaussian.hpp"

#include <math.h>

#include "kernels/runtime/vector_loop.hpp"

namespace cuelbo::kernels::CUELBO_ISA {

namespace {

constexpr double log_two_pi = 1.8378770664093454836;

}  // namespace

void launch_gaussian_likelihood_forward(const GaussianLikelihoodForward& args, Stream stream) {
  const double deviation = static_cast<double>(args.deviation);
  const double precision = 1 / (deviation * deviation);
  const double constant = static_cast<double>(args.pixels) * (::log(deviation) + log_two_pi / 2);
  const vfloat scale = broadcast(static_cast<float>(precision));
  parallel_rows(stream, args.rows, args.pixels, [&](std::int64_t row) {
    const float *mean = args.mean + row * args.pixels, *target = args.target + row * args.pixels;
    float* dmean = args.dmean != nullptr ? args.dmean + row * args.pixels : nullptr;
    const double squares = sum_vectors(0, args.pixels, [=](std::int64_t i, auto n) {
      const vfloat difference = load(target + i, n) - load(mean + i, n);
      if (dmean != nullptr) store(dmean + i, difference * scale, n);
      return difference * difference;
    });
    args.log_likelihood[row] = static_cast<float>(-precision * squares / 2 - constant);
  });
}

namespace {

struct Standardised {
  vfloat inverse_deviation, value;  // exp(−logvar / 2), (z − mean) · inverse_deviation
};

template <class N>
CUELBO_INLINE Standardised standardise(const float* z, const float* mean, const float* logvar, N n) {
  if (mean == nullptr) return {broadcast(1), load(z, n)};
  const vfloat inverse_deviation = exp(broadcast(-0.5F) * load(logvar, n));
  return {inverse_deviation, (load(z, n) - load(mean, n)) * inverse_deviation};
}

CUELBO_INLINE const float* offset(const float* p, std::int64_t i) { return p == nullptr ? p : p + i; }

}  // namespace

void launch_gaussian_density_forward(const GaussianDensityForward& args, Stream stream) {
  parallel_vectors(stream, args.count, [&](std::int64_t i, auto n) {
    const vfloat value = standardise(args.z + i, offset(args.mean, i), offset(args.logvar, i), n).value;
    const vfloat logvar = args.mean == nullptr ? broadcast(0) : load(args.logvar + i, n);
    const vfloat constant = broadcast(static_cast<float>(log_two_pi)) + logvar;
    store(args.log_density + i, broadcast(-0.5F) * fma(value, value, constant), n);
  });
}

void launch_gaussian_density_backward(const GaussianDensityBackward& args, Stream stream) {
  parallel_vectors(stream, args.count, [&](std::int64_t i, auto n) {
    const Standardised s = standardise(args.z + i, offset(args.mean, i), offset(args.logvar, i), n);
    const vfloat gradient = load(args.dlog_density + i, n);
    const vfloat slope = gradient * s.value * s.inverse_deviation;
    if (args.dz != nullptr) store(args.dz + i, -slope, n);
    if (args.dmean != nullptr) store(args.dmean + i, slope, n);
    if (args.dlogvar != nullptr) {
      store(args.dlogvar + i, broadcast(0.5F) * gradient * fma(s.value, s.value, broadcast(-1)), n);
    }
  });
}

Kernel<GaussianLikelihoodForward> gaussian_likelihood_forward(Precision) {
  return {launch_gaussian_likelihood_forward};
}
Kernel<GaussianDensityForward> gaussian_density_forward(Precision) {
  return {launch_gaussian_density_forward};
}
Kernel<GaussianDensityBackward> gaussian_density_backward(Precision) {
  return {launch_gaussian_density_backward};
}

}  // namespace cuelbo::kernels::CUELBO_ISA
