#include "kernels/elementwise/elementwise_library.hpp"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include <exception>

#include "kernels/runtime/cuda.hpp"
#include "kernels/runtime/libraries.hpp"

#if !defined(CUELBO_SIMT)
#include <thrust/execution_policy.h>
#include <thrust/transform.h>
#endif

namespace cuelbo::kernels::cuda {

namespace {

#if defined(CUELBO_SIMT)

template <class Args>
void by_thrust(const Args&, Stream) {
  report_library_error("Thrust's kernels are compiled by nvcc only");
}

#else

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Exponential {
  __device__ float operator()(float x) const { return expf(x); }
};

// Thrust throws what CUDA reports.
template <class Transform>
void reporting(Transform&& transform) {
  try {
    transform();
  } catch (const std::exception& error) {
    cudaGetLastError();  // the next call is not to report it again
    report_library_error(std::string("thrust::transform: ") + error.what());
  }
}

void by_thrust(const Add& a, Stream stream) {
  reporting([&] {
    thrust::transform(thrust::cuda::par_nosync.on(cuda_stream(stream)), a.a, a.a + a.count, a.b, a.y, Sum{});
  });
}
void by_thrust(const Exp& a, Stream stream) {
  reporting([&] {
    thrust::transform(thrust::cuda::par_nosync.on(cuda_stream(stream)), a.x, a.x + a.count, a.y,
                      Exponential{});
  });
}

#endif

constexpr const char* transform = "Thrust: transform on the stream, without waiting";

}  // namespace

Variants<Add> add_library_variants() {
  static constexpr Variant<Add> variants[] = {{"thrust", transform, {by_thrust}, Precision::fp32, "Thrust"}};
  return variants;
}
Variants<Exp> exp_library_variants() {
  static constexpr Variant<Exp> variants[] = {{"thrust", transform, {by_thrust}, Precision::fp32, "Thrust"}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda

#else

namespace cuelbo::kernels::cuda {

Variants<Add> add_library_variants() { return {}; }
Variants<Exp> exp_library_variants() { return {}; }

}  // namespace cuelbo::kernels::cuda

#endif
