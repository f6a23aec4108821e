#include "kernels/conv2d/conv2d_library.hpp"

#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include <algorithm>
#include <limits>

#include "kernels/linear/epilogue_pass.cuh"
#include "kernels/runtime/library_calls.hpp"

namespace cuelbo::kernels::cuda {

namespace {

// The algorithms of cuDNN that give the same bits every time.
constexpr auto forward_algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
constexpr auto data_algorithm = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
constexpr auto filter_algorithm = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

constexpr float one = 1, zero = 0;

std::int64_t large_size(const Conv2dShape& s) {
  return s.batch * s.large_height * s.large_width * s.large_channels;
}
std::int64_t small_size(const Conv2dShape& s) {
  return s.batch * s.small_height * s.small_width * s.small_channels;
}
std::int64_t weight_size(const Conv2dShape& s) {
  return s.small_channels * s.kernel * s.kernel * s.large_channels;
}

// cuDNN counts in int.
bool fits(const Conv2dShape& s) {
  if (std::max({large_size(s), small_size(s), weight_size(s)}) <= std::numeric_limits<int>::max())
    return true;
  report_library_error("cuDNN: an image or the weight has more than 2^31 elements");
  return false;
}

using Tensor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;

bool create_tensor(Tensor& tensor, std::int64_t batch, std::int64_t height, std::int64_t width,
                   std::int64_t channels) {
  return create(tensor, cudnnCreateTensorDescriptor, "cudnnCreateTensorDescriptor") &&
         succeeded(cudnnSetTensor4dDescriptor(tensor.get(), CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT,
                                              static_cast<int>(batch), static_cast<int>(channels),
                                              static_cast<int>(height), static_cast<int>(width)),
                   "cudnnSetTensor4dDescriptor");
}

// The cuDNN descriptors of the images, the weight and the convolution. A filter in the order NHWC is ours: (small
// channels, kernel, kernel, large channels).
struct Descriptors {
  Tensor large, small;
  Owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor> weight;
  Owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor> convolution;

  // Default math would let fp32 be tf32.
  bool create_for(const Conv2dShape& s, Precision precision) {
    const int padding = static_cast<int>(s.padding), stride = static_cast<int>(s.stride),
              kernel = static_cast<int>(s.kernel);
    return fits(s) && create_tensor(large, s.batch, s.large_height, s.large_width, s.large_channels) &&
           create_tensor(small, s.batch, s.small_height, s.small_width, s.small_channels) &&
           create(weight, cudnnCreateFilterDescriptor, "cudnnCreateFilterDescriptor") &&
           succeeded(cudnnSetFilter4dDescriptor(weight.get(), CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC,
                                                static_cast<int>(s.small_channels),
                                                static_cast<int>(s.large_channels), kernel, kernel),
                     "cudnnSetFilter4dDescriptor") &&
           create(convolution, cudnnCreateConvolutionDescriptor, "cudnnCreateConvolutionDescriptor") &&
           succeeded(cudnnSetConvolution2dDescriptor(convolution.get(), padding, padding, stride, stride, 1,
                                                     1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                     "cudnnSetConvolution2dDescriptor") &&
           succeeded(
               cudnnSetConvolutionMathType(
                   convolution.get(), precision == Precision::fp32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH),
               "cudnnSetConvolutionMathType");
  }
};

// Calls f(handle, descriptors, workspace, bytes) if all of them can be had. How much workspace cuDNN wants it only tells
// a handle, which takes a GPU; the contract's workspace is planned without one, so Libraries has it.
template <class Size, class F>
bool convolve(const Conv2dShape& shape, Precision precision, Stream stream, Size&& size,
              const char* size_call, F&& f) {
  Libraries* const libraries = libraries_of(stream);
  cudnnHandle_t const handle = libraries == nullptr ? nullptr : libraries->cudnn();
  Descriptors descriptors;
  std::size_t bytes = 0;
  if (handle == nullptr || !descriptors.create_for(shape, precision) ||
      !succeeded(size(handle, descriptors, &bytes), size_call))
    return false;
  void* const workspace = bytes == 0 ? nullptr : libraries->workspace(bytes);
  return (bytes == 0 || workspace != nullptr) && f(handle, descriptors, workspace, bytes);
}

// ---- forward: cuDNN adds a bias and applies relu itself, together only.

bool is_fused(const Conv2dForward& a) { return a.bias != nullptr && a.activation == Activation::relu; }

bool convolve_with_bias_and_relu(const Conv2dForward& a, cudnnHandle_t handle, const Descriptors& d,
                                 void* workspace, std::size_t bytes) {
  Tensor bias;
  Owned<cudnnActivationDescriptor_t, cudnnDestroyActivationDescriptor> relu;
  return create_tensor(bias, 1, 1, 1, a.shape.small_channels) &&
         create(relu, cudnnCreateActivationDescriptor, "cudnnCreateActivationDescriptor") &&
         succeeded(cudnnSetActivationDescriptor(relu.get(), CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0),
                   "cudnnSetActivationDescriptor") &&
         succeeded(cudnnConvolutionBiasActivationForward(
                       handle, &one, d.large.get(), a.large, d.weight.get(), a.weight, d.convolution.get(),
                       forward_algorithm, workspace, bytes, &zero, d.small.get(), a.small, bias.get(), a.bias,
                       relu.get(), d.small.get(), a.small),
                   "cudnnConvolutionBiasActivationForward");
}

template <Precision precision>
void launch_cudnn(const Conv2dForward& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  const auto size = [](cudnnHandle_t handle, const Descriptors& d, std::size_t* bytes) {
    return cudnnGetConvolutionForwardWorkspaceSize(handle, d.large.get(), d.weight.get(), d.convolution.get(),
                                                   d.small.get(), forward_algorithm, bytes);
  };
  const auto call = [&](cudnnHandle_t handle, const Descriptors& d, void* workspace, std::size_t bytes) {
    if (is_fused(a)) return convolve_with_bias_and_relu(a, handle, d, workspace, bytes);
    return succeeded(cudnnConvolutionForward(handle, &one, d.large.get(), a.large, d.weight.get(), a.weight,
                                             d.convolution.get(), forward_algorithm, workspace, bytes, &zero,
                                             d.small.get(), a.small),
                     "cudnnConvolutionForward");
  };
  if (small_size(s) == 0 ||
      !convolve(s, precision, stream, size, "cudnnGetConvolutionForwardWorkspaceSize", call))
    return;
  Epilogue rest{a.bias, a.activation, a.gradient_activation, a.saved};
  if (is_fused(a)) rest.bias = nullptr, rest.activation = Activation::identity;
  launch_epilogue(s.batch * s.small_height * s.small_width, s.small_channels, a.small, rest, stream);
}

// ---- backward

template <Precision precision>
void launch_cudnn(const Conv2dBackwardData& a, Stream stream) {
  const Conv2dShape& s = a.shape;
  const auto size = [](cudnnHandle_t handle, const Descriptors& d, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardDataWorkspaceSize(
        handle, d.weight.get(), d.small.get(), d.convolution.get(), d.large.get(), data_algorithm, bytes);
  };
  const auto call = [&](cudnnHandle_t handle, const Descriptors& d, void* workspace, std::size_t bytes) {
    return succeeded(cudnnConvolutionBackwardData(handle, &one, d.weight.get(), a.weight, d.small.get(),
                                                  a.small, d.convolution.get(), data_algorithm, workspace,
                                                  bytes, &zero, d.large.get(), a.large),
                     "cudnnConvolutionBackwardData");
  };
  if (large_size(s) == 0 ||
      !convolve(s, precision, stream, size, "cudnnGetConvolutionBackwardDataWorkspaceSize", call))
    return;
  launch_epilogue(s.batch * s.large_height * s.large_width, s.large_channels, a.large,
                  {a.bias, a.activation, a.gradient_activation, a.saved}, stream);
}

template <Precision precision>
void launch_cudnn(const Conv2dBackwardWeight& a, Stream stream) {
  const auto size = [](cudnnHandle_t handle, const Descriptors& d, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(
        handle, d.large.get(), d.small.get(), d.convolution.get(), d.weight.get(), filter_algorithm, bytes);
  };
  const auto call = [&](cudnnHandle_t handle, const Descriptors& d, void* workspace, std::size_t bytes) {
    return succeeded(cudnnConvolutionBackwardFilter(handle, &one, d.large.get(), a.large, d.small.get(),
                                                    a.small, d.convolution.get(), filter_algorithm, workspace,
                                                    bytes, &zero, d.weight.get(), a.dweight),
                     "cudnnConvolutionBackwardFilter");
  };
  if (weight_size(a.shape) > 0)
    convolve(a.shape, precision, stream, size, "cudnnGetConvolutionBackwardFilterWorkspaceSize", call);
}

template <class Args>
constexpr Variant<Args> variants[] = {{"cudnn",
                                       "cuDNN: implicit GEMM in NHWC, fp32 without tensor cores",
                                       {launch_cudnn<Precision::fp32>},
                                       Precision::fp32,
                                       "cuDNN"},
                                      {"cudnn_tf32",
                                       "cuDNN: the same, where tensor cores may take tf32",
                                       {launch_cudnn<Precision::tf32>},
                                       Precision::tf32,
                                       "cuDNN"}};

}  // namespace

template <class Args>
Variants<Args> conv2d_library() {
  return variants<Args>;
}

#else

namespace cuelbo::kernels::cuda {

template <class Args>
Variants<Args> conv2d_library() {
  return {};
}

#endif

template Variants<Conv2dForward> conv2d_library();
template Variants<Conv2dBackwardData> conv2d_library();
template Variants<Conv2dBackwardWeight> conv2d_library();

}  // namespace cuelbo::kernels::cuda
