// Compiled once for each instruction set. The table is initialised at compile time: no instruction runs before a test asks
// for it.
#include "tests/kernels/simd_functions.hpp"

#include "kernels/runtime/simd.hpp"

namespace cuelbo::kernels::CUELBO_ISA {
namespace {

template <vfloat (*f)(vfloat)>
void map(const float* x, float* y, int n) {
  int i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, f(load(x + i)));
  if (i < n) store_partial(y + i, f(load_partial(x + i, n - i)), n - i);
}

void map_sincos(const float* u, float* sine, float* cosine, int n) {
  for (int i = 0; i < n; i += lanes) {
    const int count = n - i < lanes ? n - i : lanes;
    vfloat s, c;
    sincos_2pi(load_partial(u + i, count), s, c);
    store_partial(sine + i, s, count);
    store_partial(cosine + i, c, count);
  }
}

vfloat exp_of(vfloat x) { return exp(x); }
vfloat exp_fast_of(vfloat x) { return exp_fast(x); }
vfloat log_of(vfloat x) { return log(x); }
vfloat tanh_of(vfloat x) { return tanh(x); }
vfloat sigmoid_of(vfloat x) { return sigmoid(x); }
vfloat softplus_of(vfloat x) { return softplus(x); }
vfloat sqrt_of(vfloat x) { return sqrt(x); }
vfloat abs_of(vfloat x) { return abs(x); }

float reduce_add_of(const float* x) { return reduce_add(load(x)); }
float reduce_max_of(const float* x) { return reduce_max(load(x)); }
std::uint32_t less_of(const float* a, const float* b) { return mask_bits(load(a) < load(b)); }
void larger_of(const float* a, const float* b, float* y) { store(y, vmax(load(a), load(b))); }
void smaller_of(const float* a, const float* b, float* y) { store(y, vmin(load(a), load(b))); }
void multiply_add_of(const float* a, const float* b, const float* c, float* y) {
  store(y, fma(load(a), load(b), load(c)));
}
void copy_partial_of(const float* x, float* y, int n) { store(y, load_partial(x, n)); }
void store_partial_of(const float* x, float* y, int n) { store_partial(y, load(x), n); }

}  // namespace

constinit const test::SimdFunctions simd_functions = {
    .lanes = lanes,
    .exp = map<exp_of>,
    .exp_fast = map<exp_fast_of>,
    .log = map<log_of>,
    .tanh = map<tanh_of>,
    .sigmoid = map<sigmoid_of>,
    .softplus = map<softplus_of>,
    .sqrt = map<sqrt_of>,
    .abs = map<abs_of>,
    .sincos_2pi = map_sincos,
    .reduce_add = reduce_add_of,
    .reduce_max = reduce_max_of,
    .less = less_of,
    .larger = larger_of,
    .smaller = smaller_of,
    .multiply_add = multiply_add_of,
    .copy_partial = copy_partial_of,
    .store_partial = store_partial_of,
};

}  // namespace cuelbo::kernels::CUELBO_ISA
