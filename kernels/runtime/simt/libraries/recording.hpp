// NVIDIA's libraries on the SIMT device. Their functions are defined beside this file with NVIDIA's signatures: a call is
// checked, noted and put into its stream. Nothing is computed: when the stream gets there the outputs become NaN, unless a
// test has brought an interpreter that works from the noted arguments. What a library would refuse is refused with its
// status; what would go wrong on a GPU without a word (memory outside an allocation, overlap) as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace cuelbo::simt {

// c = f(alpha · op(a) · op(b) + beta · c + bias), all by columns with leading dimensions: c (m, n), op(a) (m, k), op(b)
// (k, n), bias (m) or null; f is relu or nothing.
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;
  float alpha = 1;
  const float* a = nullptr;
  std::int64_t lda = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float beta = 0;
  float* c = nullptr;
  std::int64_t ldc = 0;
  const float* bias = nullptr;
  bool relu = false;
  int compute = 0;  // a cublasComputeType_t
};

struct Image {  // NHWC
  int batch = 0, channels = 0, height = 0, width = 0;
};
struct Filter {  // (outputs, height, width, inputs)
  int outputs = 0, inputs = 0, height = 0, width = 0;
};

// A cross-correlation y of x and w, or its adjoint by x or w: the pointer that `kind` names is the output.
struct Convolution {
  enum class Kind : std::uint8_t { forward, backward_data, backward_filter };
  Kind kind = Kind::forward;
  Image x, y;
  Filter w;
  int padding_y = 0, padding_x = 0, stride_y = 1, stride_x = 1, dilation_y = 1, dilation_x = 1;
  int algorithm = 0, math = 0;  // cuDNN's enumerators
  float alpha = 1, beta = 0;
  float *x_data = nullptr, *y_data = nullptr, *w_data = nullptr;
  const float* bias = nullptr;  // by channel of y, or null
  bool relu = false;
};

struct NormalNoise {
  float* output = nullptr;
  std::size_t count = 0;
  float mean = 0, deviation = 1;
};

struct LibraryCall {
  std::string name;                                                   // NVIDIA's, as "cublasSetStream"
  std::variant<std::monostate, Gemm, Convolution, NormalNoise> work;  // what it puts into the stream
};

// Notes calls while it lives; one at a time. The interpreter runs in the stream and may be left out.
class LibraryRecording {
 public:
  using Interpreter = std::function<void(const LibraryCall&)>;
  explicit LibraryRecording(Interpreter interpreter = {});
  ~LibraryRecording();
  LibraryRecording(const LibraryRecording&) = delete;
  LibraryRecording& operator=(const LibraryRecording&) = delete;

  std::vector<LibraryCall> calls() const;
};

// The reason why the first call since the last time was refused; empty if none was.
std::string take_library_finding();
// The handles and descriptors that were made and not destroyed, by type.
std::vector<std::string> live_library_objects();

}  // namespace cuelbo::simt
