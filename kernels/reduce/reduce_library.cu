#include "kernels/reduce/reduce_library.hpp"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include "kernels/runtime/library_calls.hpp"

#if !defined(CUELBO_SIMT)
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/iterator/transform_output_iterator.h>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_segmented_reduce.cuh>
#endif

namespace cuelbo::kernels::cuda {

namespace {

#if defined(CUELBO_SIMT)

template <class Args>
void by_cub(const Args&, Stream) {
  report_library_error("CUB's kernels are compiled by nvcc only");
}

#else

struct Square {
  __device__ double operator()(float x) const { return static_cast<double>(x) * static_cast<double>(x); }
};
struct RowStart {
  std::int64_t columns;
  __host__ __device__ std::int64_t operator()(std::int64_t row) const { return row * columns; }
};
struct Scale {
  float factor;
  __host__ __device__ float operator()(float x) const { return factor * x; }
};

// reduce(temporary, bytes) is called as CUB wants it: without memory, for how much it needs, and then with it. How much
// depends on the GPU, so it is not the contract's workspace.
template <class Reduce>
void with_temporary(Stream stream, const char* call, Reduce&& reduce) {
  Libraries* const libraries = libraries_of(stream);
  std::size_t bytes = 0;
  if (libraries == nullptr || !succeeded(reduce(nullptr, bytes), call)) return;
  void* const memory = libraries->workspace(bytes);
  if (memory != nullptr) succeeded(reduce(memory, bytes), call);
}

void by_cub(const SumOfSquares& a, Stream stream) {
  with_temporary(stream, "cub::DeviceReduce::TransformReduce", [&](void* memory, std::size_t& bytes) {
    return cub::DeviceReduce::TransformReduce(memory, bytes, a.x, a.y, a.count, ::cuda::std::plus<>{},
                                              Square{}, 0.0, cuda_stream(stream));
  });
}

void by_cub(const SumColumns& a, Stream stream) {
  if (a.rows == 0) return;
  const auto starts =
      thrust::make_transform_iterator(thrust::counting_iterator<std::int64_t>(0), RowStart{a.columns});
  const auto out = thrust::make_transform_output_iterator(a.y, Scale{a.factor});
  with_temporary(stream, "cub::DeviceSegmentedReduce::Sum", [&](void* memory, std::size_t& bytes) {
    return cub::DeviceSegmentedReduce::Sum(memory, bytes, a.x, out, a.rows, starts, starts + 1,
                                           cuda_stream(stream));
  });
}

#endif

}  // namespace

Variants<SumColumns> sum_columns_library_variants() {
  static constexpr Variant<SumColumns> variants[] = {
      {"cub", "CUB: DeviceSegmentedReduce, one segment per row", {by_cub}, Precision::fp32, "CUB"}};
  return variants;
}
Variants<SumOfSquares> sum_of_squares_library_variants() {
  static constexpr Variant<SumOfSquares> variants[] = {
      {"cub", "CUB: DeviceReduce over squares, in double", {by_cub}, Precision::fp32, "CUB"}};
  return variants;
}

}  // namespace cuelbo::kernels::cuda

#else

namespace cuelbo::kernels::cuda {

Variants<SumColumns> sum_columns_library_variants() { return {}; }
Variants<SumOfSquares> sum_of_squares_library_variants() { return {}; }

}  // namespace cuelbo::kernels::cuda

#endif
