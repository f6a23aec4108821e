// Shared by the stand-ins for NVIDIA's libraries: checking a call, noting it, and putting its work into a stream.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include <driver_types.h>

#include "kernels/runtime/simt/libraries/recording.hpp"

namespace cuelbo::simt {

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

// Memory that a call reads or writes.
struct Piece {
  const char* what;
  const void* begin;
  std::size_t bytes;
};

void object_made(const void* object, const char* type);

// The checks of one call, which is noted when they begin. The first that fails is the finding; those after it pass over.
class CallCheck {
 public:
  explicit CallCheck(const char* call);
  explicit operator bool() const { return passed_; }

  // `message` completes "cublasSgemm_64: …".
  void require(bool condition, const std::string& message);
  bool live(const void* object, const char* type);  // made and not destroyed
  void destroy(const void* object, const char* type);
  void memory(const Piece& piece, std::size_t alignment);  // within one allocation of the device
  void apart(const Piece& output, const std::vector<Piece>& inputs);
  // Everything about a product but its alignment, which depends on the call.
  void gemm(const Gemm& gemm);

  // Puts the call's work into the stream; `outputs` are what it writes.
  void submit(decltype(LibraryCall::work) work, const std::vector<Piece>& outputs, cudaStream_t stream);

 private:
  LibraryCall call_;
  bool passed_ = true;
};

// A matrix by columns as memory.
Piece matrix(const char* what, const float* begin, std::int64_t rows, std::int64_t columns,
             std::int64_t leading);
// The columns of a product's output, each a piece.
std::vector<Piece> columns_of(const Gemm& gemm);

}  // namespace cuelbo::simt
