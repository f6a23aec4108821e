#include "kernels/gaussian/gaussian.hpp"

#include <cmath>

#include "kernels/runtime/elementwise.cuh"
#include "kernels/runtime/reduction.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

constexpr double log_two_pi = 1.8378770664093454836;

// ---- likelihood: log p = −½ · precision · Σ (target − mean)² − constant

struct Likelihood {
  GaussianLikelihoodForward a;
  double precision, constant;

  explicit Likelihood(const GaussianLikelihoodForward& args) : a(args) {
    const double deviation = static_cast<double>(a.deviation);
    precision = 1 / (deviation * deviation);
    constant = static_cast<double>(a.pixels) * (std::log(deviation) + log_two_pi / 2);
  }
  __device__ void finish(std::int64_t row, double squares) const {
    a.log_likelihood[row] = static_cast<float>(-precision * squares / 2 - constant);
  }
};

struct LikelihoodAlone : Likelihood {
  using Likelihood::Likelihood;
  __device__ void operator()(std::int64_t row) const {
    double squares = 0;
    for (std::int64_t i = row * a.pixels; i < (row + 1) * a.pixels; ++i) {
      const float difference = a.target[i] - a.mean[i];
      squares += static_cast<double>(difference * difference);
      if (a.dmean != nullptr) a.dmean[i] = difference * static_cast<float>(precision);
    }
    finish(row, squares);
  }
};

struct LikelihoodByTeam : Likelihood {
  using Likelihood::Likelihood;
  template <class Team, class Access>
  __device__ void row(std::int64_t r) const {
    constexpr int width = Access::width;
    const float scale = static_cast<float>(precision);
    float sum = 0;
    for (std::int64_t i = r * a.pixels + Team::rank() * width; i < (r + 1) * a.pixels;
         i += Team::size * width) {
      const Pack<width> mean = Access::load(a.mean + i), target = Access::load(a.target + i);
      Pack<width> squares, slope;
#pragma unroll
      for (int k = 0; k < width; ++k) {
        const float difference = target[k] - mean[k];
        squares[k] = difference * difference;
        slope[k] = difference * scale;
      }
      sum += sum_of(squares);
      if (a.dmean != nullptr) Access::store(a.dmean + i, slope);
    }
    sum = Team::sum(sum);
    if (Team::rank() == 0) finish(r, static_cast<double>(sum));
  }
};

void likelihood_naive(const GaussianLikelihoodForward& a, Stream stream) {
  launch_rows_alone(a.rows, LikelihoodAlone(a), stream);
}
void likelihood_shuffle(const GaussianLikelihoodForward& a, Stream stream) {
  const bool aligned = all_aligned_to_16(a.mean, a.target, a.dmean);
  launch_row_teams(a.rows, a.pixels, aligned, LikelihoodByTeam(a), stream);
}

// ---- density

template <int width>
__device__ Pack<width> load_or_zero(const float* p, std::int64_t i) {
  return p != nullptr ? load<width>(p + i) : Pack<width>{};
}

struct DensityAt {
  GaussianDensityForward a;
  template <int width>
  __device__ void at(std::int64_t i) const {
    const Pack<width> z = load<width>(a.z + i), mean = load_or_zero<width>(a.mean, i),
                      logvar = load_or_zero<width>(a.logvar, i);
    Pack<width> log_density;
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float standardised = (z[k] - mean[k]) * expf(-0.5F * logvar[k]);
      log_density[k] = -0.5F * (static_cast<float>(log_two_pi) + logvar[k] + standardised * standardised);
    }
    store(a.log_density + i, log_density);
  }
};

struct DensityGradientAt {
  GaussianDensityBackward a;
  template <int width>
  __device__ void at(std::int64_t i) const {
    const Pack<width> z = load<width>(a.z + i), mean = load_or_zero<width>(a.mean, i),
                      logvar = load_or_zero<width>(a.logvar, i), dy = load<width>(a.dlog_density + i);
    Pack<width> dz, dmean, dlogvar;
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float inverse_deviation = expf(-0.5F * logvar[k]);
      const float standardised = (z[k] - mean[k]) * inverse_deviation;
      dmean[k] = dy[k] * standardised * inverse_deviation;
      dz[k] = -dmean[k];
      dlogvar[k] = 0.5F * dy[k] * (standardised * standardised - 1);
    }
    if (a.dz != nullptr) store(a.dz + i, dz);
    if (a.dmean != nullptr) store(a.dmean + i, dmean);
    if (a.dlogvar != nullptr) store(a.dlogvar + i, dlogvar);
  }
};

DensityAt at(const GaussianDensityForward& a) { return {a}; }
DensityGradientAt at(const GaussianDensityBackward& a) { return {a}; }

bool aligned(const GaussianDensityForward& a) {
  return all_aligned_to_16(a.z, a.mean, a.logvar, a.log_density);
}
bool aligned(const GaussianDensityBackward& a) {
  return all_aligned_to_16(a.z, a.mean, a.logvar, a.dlog_density, a.dz, a.dmean, a.dlogvar);
}

template <class Args>
void density_scalar(const Args& a, Stream stream) {
  launch_for_each_element<1>(a.count, at(a), stream);
}
template <class Args>
void density_float4(const Args& a, Stream stream) {
  with_width(aligned(a), [&](auto width) { launch_for_each_element<width()>(a.count, at(a), stream); });
}
template <class Args>
constexpr Variant<Args> density_ladder[] = {
    {"scalar", "one thread per element", {density_scalar<Args>}},
    {"float4", "four elements per thread, 16-byte loads and stores", {density_float4<Args>}}};

}  // namespace

Variants<GaussianLikelihoodForward> gaussian_likelihood_forward_variants() {
  static constexpr Variant<GaussianLikelihoodForward> variants[] = {
      {"naive", "one thread per row", {likelihood_naive}},
      {"shuffle",
       "one warp per row, one block when rows are long; 16-byte loads and stores",
       {likelihood_shuffle}}};
  return variants;
}

Variants<GaussianDensityForward> gaussian_density_forward_variants() {
  return density_ladder<GaussianDensityForward>;
}

Variants<GaussianDensityBackward> gaussian_density_backward_variants() {
  return density_ladder<GaussianDensityBackward>;
}

}  // namespace cuelbo::kernels::cuda
