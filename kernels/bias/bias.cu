#include "kernels/bias/bias.hpp"
#include "kernels/bias/column_sums.cuh"
#include "kernels/runtime/variant.hpp"

namespace cuelbo::kernels::cuda {

namespace {

void bias_backward_naive(const BiasBackward& a, Stream stream) {
  column_sums_naive(a.rows, a.channels, a.dy, a.dbias, stream);
}
void bias_backward_two_phases(const BiasBackward& a, Stream stream) {
  column_sums_two_phases(a.rows, a.channels, a.dy, a.dbias, a.workspace, stream);
}
std::size_t bias_backward_workspace(const BiasBackward& a) {
  return column_sums_workspace(a.rows, a.channels);
}

}  // namespace

Variants<BiasBackward> bias_backward_variants() {
  static constexpr Variant<BiasBackward> variants[] = {
      {"naive", "one thread per channel", {bias_backward_naive}},
      {"two_phases",
       "blocks sum chunks of rows, then the chunks",
       {bias_backward_two_phases, bias_backward_workspace}}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda
