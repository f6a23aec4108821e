// The functions of cudnn.h that our variants call: 2-D convolutions of fp32 NHWC tensors.
#include <cudnn.h>

#include <cstring>

#include "kernels/runtime/simt/libraries/checks.hpp"

using cuelbo::simt::CallCheck;
using cuelbo::simt::Convolution;
using cuelbo::simt::Filter;
using cuelbo::simt::Image;
using cuelbo::simt::Piece;
using cuelbo::simt::text;

struct cudnnContext {
  bool has_stream = false;
  cudaStream_t stream = nullptr;
};
struct cudnnTensorStruct {
  bool is_set = false;
  Image image;
};
struct cudnnFilterStruct {
  bool is_set = false;
  Filter filter;
};
struct cudnnConvolutionStruct {
  bool is_set = false;
  Convolution convolution;
};
struct cudnnActivationStruct {
  bool is_set = false;
  cudnnActivationMode_t mode = CUDNN_ACTIVATION_IDENTITY;
};

namespace {

constexpr const char *handle_type = "cudnnHandle_t", *tensor_type = "cudnnTensorDescriptor_t",
                     *filter_type = "cudnnFilterDescriptor_t",
                     *convolution_type = "cudnnConvolutionDescriptor_t",
                     *activation_type = "cudnnActivationDescriptor_t";

template <class T>
cudnnStatus_t make(const char* call, const char* type, T** made) {
  CallCheck check(call);
  check.require(made != nullptr, "the pointer for the object is null");
  if (!check) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  cuelbo::simt::object_made(*made = new T, type);
  return CUDNN_STATUS_SUCCESS;
}
template <class T>
cudnnStatus_t destroy(const char* call, const char* type, T* object) {
  CallCheck check(call);
  check.destroy(object, type);
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  delete object;
  return CUDNN_STATUS_SUCCESS;
}
template <class T>
void is_set(CallCheck& check, const T* object, const char* type) {
  if (check.live(object, type)) check.require(object->is_set, text("this ", type, " was not set"));
}

Piece piece(const char* what, const Image& i, const void* data) {
  return {what, data,
          sizeof(float) * static_cast<std::size_t>(i.batch) * static_cast<std::size_t>(i.channels) *
              static_cast<std::size_t>(i.height) * static_cast<std::size_t>(i.width)};
}
Piece piece(const char* what, const Filter& f, const void* data) {
  return piece(what, Image{f.outputs, f.inputs, f.height, f.width}, data);
}

// The convolution that the descriptors describe, if they are complete and fit each other.
Convolution described(CallCheck& check, Convolution::Kind kind, cudnnTensorDescriptor_t x,
                      cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution,
                      cudnnTensorDescriptor_t y, int algorithm) {
  is_set(check, x, tensor_type);
  is_set(check, y, tensor_type);
  is_set(check, w, filter_type);
  is_set(check, convolution, convolution_type);
  if (!check) return {};
  Convolution c = convolution->convolution;
  c.kind = kind;
  c.x = x->image;
  c.y = y->image;
  c.w = w->filter;
  c.algorithm = algorithm;
  check.require(c.x.channels == c.w.inputs,
                text("x has ", c.x.channels, " channels, but the filter ", c.w.inputs, " inputs"));
  check.require(c.y.channels == c.w.outputs,
                text("y has ", c.y.channels, " channels, but the filter ", c.w.outputs, " outputs"));
  check.require(c.x.batch == c.y.batch, text("x has ", c.x.batch, " images, y ", c.y.batch));
  const auto size = [](int large, int padding, int filter, int dilation, int stride) {
    return (large + 2 * padding - ((filter - 1) * dilation + 1)) / stride + 1;
  };
  const int height = size(c.x.height, c.padding_y, c.w.height, c.dilation_y, c.stride_y);
  const int width = size(c.x.width, c.padding_x, c.w.width, c.dilation_x, c.stride_x);
  check.require(
      c.y.height == height && c.y.width == width,
      text("y is ", c.y.height, " x ", c.y.width, ", but the convolution gives ", height, " x ", width));
  return c;
}

// As if every pixel of y had an offset and the filter a second copy.
std::size_t workspace_of(const Convolution& c) {
  return piece("", c.w, nullptr).bytes + piece("", Image{c.y.batch, 1, c.y.height, c.y.width}, nullptr).bytes;
}
cudnnStatus_t workspace_size(CallCheck& check, const Convolution& c, std::size_t* bytes) {
  check.require(bytes != nullptr, "the pointer for the size is null");
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  *bytes = workspace_of(c);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t run(CallCheck& check, cudnnHandle_t handle, Convolution c, const void* alpha, const void* beta,
                  void* workspace, std::size_t bytes) {
  if (check.live(handle, handle_type)) check.require(handle->has_stream, "no stream was set");
  check.require(alpha != nullptr && beta != nullptr, "alpha or beta is null");
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  c.alpha = *static_cast<const float*>(alpha);
  c.beta = *static_cast<const float*>(beta);
  const Piece x = piece("x", c.x, c.x_data), y = piece("y", c.y, c.y_data), w = piece("w", c.w, c.w_data);
  const Piece bias{"the bias", c.bias, c.bias == nullptr ? 0 : sizeof(float) * std::size_t(c.y.channels)};
  for (const Piece& p : {x, y, w, bias}) check.memory(p, sizeof(float));
  const Piece memory{"the workspace", workspace, bytes};
  check.memory(memory, 16);
  switch (c.kind) {
    case Convolution::Kind::forward: check.apart(y, {x, w, bias, memory}); break;
    case Convolution::Kind::backward_data: check.apart(x, {y, w, memory}); break;
    case Convolution::Kind::backward_filter: check.apart(w, {x, y, memory}); break;
  }
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  check.require(bytes >= workspace_of(c),
                text("this convolution needs ", workspace_of(c), " bytes of workspace, not ", bytes));
  if (!check) return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
  const Piece output = c.kind == Convolution::Kind::forward         ? y
                       : c.kind == Convolution::Kind::backward_data ? x
                                                                    : w;
  check.submit(c, {output}, handle->stream);
  return CUDNN_STATUS_SUCCESS;
}

float* data(const void* pointer) { return static_cast<float*>(const_cast<void*>(pointer)); }

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): names of ours

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_BAD_PARAM_NULL_POINTER: return "CUDNN_STATUS_BAD_PARAM_NULL_POINTER";
    case CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT: return "CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    default: return "CUDNN_STATUS_INTERNAL_ERROR";
  }
}
// The finding says it.
void cudnnGetLastErrorString(char* message, std::size_t size) {
  if (size > 0) *message = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return make("cudnnCreate", handle_type, handle); }
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return destroy("cudnnDestroy", handle_type, handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  CallCheck check("cudnnSetStream");
  if (!check.live(handle, handle_type)) return CUDNN_STATUS_BAD_PARAM;
  handle->has_stream = true;
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

// ---- descriptors

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* tensor) {
  return make("cudnnCreateTensorDescriptor", tensor_type, tensor);
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) {
  return destroy("cudnnDestroyTensorDescriptor", tensor_type, tensor);
}
cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int batch, int channels, int height,
                                         int width) {
  CallCheck check("cudnnSetTensor4dDescriptor");
  check.live(tensor, tensor_type);
  check.require(format == CUDNN_TENSOR_NHWC && type == CUDNN_DATA_FLOAT, "no fp32 in NHWC");
  check.require(batch > 0 && channels > 0 && height > 0 && width > 0, "a size is not positive");
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  *tensor = {.is_set = true, .image = {batch, channels, height, width}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* filter) {
  return make("cudnnCreateFilterDescriptor", filter_type, filter);
}
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter) {
  return destroy("cudnnDestroyFilterDescriptor", filter_type, filter);
}
cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int outputs, int inputs, int height,
                                         int width) {
  CallCheck check("cudnnSetFilter4dDescriptor");
  check.live(filter, filter_type);
  check.require(format == CUDNN_TENSOR_NHWC && type == CUDNN_DATA_FLOAT, "no fp32 in NHWC");
  check.require(outputs > 0 && inputs > 0 && height > 0 && width > 0, "a size is not positive");
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  *filter = {.is_set = true, .filter = {outputs, inputs, height, width}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* convolution) {
  return make("cudnnCreateConvolutionDescriptor", convolution_type, convolution);
}
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution) {
  return destroy("cudnnDestroyConvolutionDescriptor", convolution_type, convolution);
}
cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int padding_y,
                                              int padding_x, int stride_y, int stride_x, int dilation_y,
                                              int dilation_x, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute) {
  CallCheck check("cudnnSetConvolution2dDescriptor");
  check.live(convolution, convolution_type);
  check.require(mode == CUDNN_CROSS_CORRELATION && compute == CUDNN_DATA_FLOAT,
                "no cross-correlation in fp32, which is what we use");
  check.require(
      padding_y >= 0 && padding_x >= 0 && stride_y > 0 && stride_x > 0 && dilation_y > 0 && dilation_x > 0,
      "a padding is negative, or a stride or dilation not positive");
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  Convolution& c = convolution->convolution;
  c.padding_y = padding_y, c.padding_x = padding_x;
  c.stride_y = stride_y, c.stride_x = stride_x;
  c.dilation_y = dilation_y, c.dilation_x = dilation_x;
  convolution->is_set = true;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
  CallCheck check("cudnnSetConvolutionMathType");
  if (!check.live(convolution, convolution_type)) return CUDNN_STATUS_BAD_PARAM;
  convolution->convolution.math = math;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* activation) {
  return make("cudnnCreateActivationDescriptor", activation_type, activation);
}
cudnnStatus_t cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t activation) {
  return destroy("cudnnDestroyActivationDescriptor", activation_type, activation);
}
cudnnStatus_t cudnnSetActivationDescriptor(cudnnActivationDescriptor_t activation, cudnnActivationMode_t mode,
                                           cudnnNanPropagation_t, double) {
  CallCheck check("cudnnSetActivationDescriptor");
  if (!check.live(activation, activation_type)) return CUDNN_STATUS_BAD_PARAM;
  *activation = {.is_set = true, .mode = mode};
  return CUDNN_STATUS_SUCCESS;
}

// ---- workspaces

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                      cudnnFilterDescriptor_t w,
                                                      cudnnConvolutionDescriptor_t convolution,
                                                      cudnnTensorDescriptor_t y,
                                                      cudnnConvolutionFwdAlgo_t algorithm,
                                                      std::size_t* bytes) {
  CallCheck check("cudnnGetConvolutionForwardWorkspaceSize");
  check.live(handle, handle_type);
  return workspace_size(check, described(check, Convolution::Kind::forward, x, w, convolution, y, algorithm),
                        bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t handle, cudnnFilterDescriptor_t w,
                                                           cudnnTensorDescriptor_t dy,
                                                           cudnnConvolutionDescriptor_t convolution,
                                                           cudnnTensorDescriptor_t dx,
                                                           cudnnConvolutionBwdDataAlgo_t algorithm,
                                                           std::size_t* bytes) {
  CallCheck check("cudnnGetConvolutionBackwardDataWorkspaceSize");
  check.live(handle, handle_type);
  return workspace_size(
      check, described(check, Convolution::Kind::backward_data, dx, w, convolution, dy, algorithm), bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
                                                             cudnnTensorDescriptor_t dy,
                                                             cudnnConvolutionDescriptor_t convolution,
                                                             cudnnFilterDescriptor_t dw,
                                                             cudnnConvolutionBwdFilterAlgo_t algorithm,
                                                             std::size_t* bytes) {
  CallCheck check("cudnnGetConvolutionBackwardFilterWorkspaceSize");
  check.live(handle, handle_type);
  return workspace_size(
      check, described(check, Convolution::Kind::backward_filter, x, dw, convolution, dy, algorithm), bytes);
}

// ---- convolutions

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_like,
                                      const void* x, cudnnFilterDescriptor_t w_like, const void* w,
                                      cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, std::size_t bytes,
                                      const void* beta, cudnnTensorDescriptor_t y_like, void* y) {
  CallCheck check("cudnnConvolutionForward");
  Convolution c =
      described(check, Convolution::Kind::forward, x_like, w_like, convolution, y_like, algorithm);
  c.x_data = data(x), c.w_data = data(w), c.y_data = data(y);
  return run(check, handle, c, alpha, beta, workspace, bytes);
}
cudnnStatus_t cudnnConvolutionBiasActivationForward(
    cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x_like, const void* x,
    cudnnFilterDescriptor_t w_like, const void* w, cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionFwdAlgo_t algorithm, void* workspace, std::size_t bytes, const void* alpha_z,
    cudnnTensorDescriptor_t z_like, const void*, cudnnTensorDescriptor_t bias_like, const void* bias,
    cudnnActivationDescriptor_t activation, cudnnTensorDescriptor_t y_like, void* y) {
  CallCheck check("cudnnConvolutionBiasActivationForward");
  Convolution c =
      described(check, Convolution::Kind::forward, x_like, w_like, convolution, y_like, algorithm);
  is_set(check, z_like, tensor_type);
  is_set(check, bias_like, tensor_type);
  is_set(check, activation, activation_type);
  if (!check) return CUDNN_STATUS_BAD_PARAM;
  check.require(activation->mode == CUDNN_ACTIVATION_RELU, "an activation that we do not use");
  check.require(alpha_z != nullptr && *static_cast<const float*>(alpha_z) == 0, "a z, which we do not use");
  const Image& b = bias_like->image;
  check.require(b.batch == 1 && b.height == 1 && b.width == 1 && b.channels == c.y.channels,
                text("a bias of ", b.channels, " channels for ", c.y.channels));
  check.require(bias != nullptr, "the bias is null");
  c.x_data = data(x), c.w_data = data(w), c.y_data = data(y);
  c.bias = static_cast<const float*>(bias);
  c.relu = true;
  return run(check, handle, c, alpha, alpha_z, workspace, bytes);
}
cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void* alpha,
                                           cudnnFilterDescriptor_t w_like, const void* w,
                                           cudnnTensorDescriptor_t dy_like, const void* dy,
                                           cudnnConvolutionDescriptor_t convolution,
                                           cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace,
                                           std::size_t bytes, const void* beta,
                                           cudnnTensorDescriptor_t dx_like, void* dx) {
  CallCheck check("cudnnConvolutionBackwardData");
  Convolution c =
      described(check, Convolution::Kind::backward_data, dx_like, w_like, convolution, dy_like, algorithm);
  c.x_data = data(dx), c.w_data = data(w), c.y_data = data(dy);
  return run(check, handle, c, alpha, beta, workspace, bytes);
}
cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void* alpha,
                                             cudnnTensorDescriptor_t x_like, const void* x,
                                             cudnnTensorDescriptor_t dy_like, const void* dy,
                                             cudnnConvolutionDescriptor_t convolution,
                                             cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace,
                                             std::size_t bytes, const void* beta,
                                             cudnnFilterDescriptor_t dw_like, void* dw) {
  CallCheck check("cudnnConvolutionBackwardFilter");
  Convolution c =
      described(check, Convolution::Kind::backward_filter, x_like, dw_like, convolution, dy_like, algorithm);
  c.x_data = data(x), c.w_data = data(dw), c.y_data = data(dy);
  return run(check, handle, c, alpha, beta, workspace, bytes);
}

// NOLINTEND(readability-inconsistent-declaration-parameter-name)
