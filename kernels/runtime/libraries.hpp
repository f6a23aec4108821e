// NVIDIA's libraries, for the variants that call one. A CUDA device owns a Libraries for its stream and passes it in
// Stream::libraries. This header needs none of NVIDIA's; variants include library_calls.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct cublasContext;
struct cublasLtContext;
struct cudnnContext;
struct curandGenerator_st;

namespace cuelbo::kernels {

// Launches return nothing, so the first error of a library since the last call is kept until it is taken, as with
// cudaGetLastError; empty if there was none. One error per process, not per stream.
void report_library_error(const std::string& message);
std::string take_library_error();

// Handles, generator and workspace are made when first asked for: programs use none of them and pay nothing. They cannot
// be made while the stream is captured. Every function returns null after reporting an error. For one host thread.
class Libraries {
 public:
  explicit Libraries(void* stream) : stream_(stream) {}  // a cudaStream_t, which must outlive this
  ~Libraries();
  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;

  void* stream() const { return stream_; }

  cublasContext* cublas();  // fp32 without TF32
  cublasLtContext* cublaslt();
  cudnnContext* cudnn();
  curandGenerator_st* curand();  // Philox from a fixed seed; each call continues where the last one ended

  // At least this much device memory, for the time of one call. What was handed out before stays valid, because captured
  // graphs hold it.
  void* workspace(std::size_t bytes);

  static constexpr std::size_t gemm_workspace = std::size_t{32} << 20;  // what NVIDIA advises for Hopper

 private:
  bool can_make(const char* what) const;

  void* stream_;
  cublasContext* cublas_ = nullptr;
  cublasLtContext* cublaslt_ = nullptr;
  cudnnContext* cudnn_ = nullptr;
  curandGenerator_st* curand_ = nullptr;
  std::vector<void*> workspaces_;  // the last is in use
  std::size_t workspace_bytes_ = 0;
};

}  // namespace cuelbo::kernels
