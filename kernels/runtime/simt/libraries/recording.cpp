#include "kernels/runtime/simt/libraries/recording.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "kernels/runtime/simt/libraries/checks.hpp"
#include "kernels/runtime/simt/observer.hpp"
#include "kernels/runtime/simt/runtime.hpp"

namespace cuelbo::simt {

namespace {

struct Recorder {
  std::mutex mutex;
  bool recording = false;
  std::vector<LibraryCall> calls;
  LibraryRecording::Interpreter interpreter;
  std::string finding;
  std::map<const void*, std::string> live;
};
Recorder& recorder() {
  static Recorder r;
  return r;
}

}  // namespace

LibraryRecording::LibraryRecording(Interpreter interpreter) {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  r.recording = true;
  r.calls.clear();
  r.interpreter = std::move(interpreter);
}
LibraryRecording::~LibraryRecording() {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  r.recording = false;
  r.interpreter = {};
}
std::vector<LibraryCall> LibraryRecording::calls() const {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  return r.calls;
}

std::string take_library_finding() {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  return std::exchange(r.finding, {});
}

std::vector<std::string> live_library_objects() {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  std::vector<std::string> types;
  for (const auto& [object, type] : r.live) types.push_back(type);
  return types;
}

void object_made(const void* object, const char* type) {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  r.live[object] = type;
}

// ---- one call

CallCheck::CallCheck(const char* call) : call_{call} {
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  if (r.recording) r.calls.push_back(call_);
}

void CallCheck::require(bool condition, const std::string& message) {
  if (condition || !passed_) return;
  passed_ = false;
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  if (r.finding.empty()) r.finding = call_.name + ": " + message;
}

bool CallCheck::live(const void* object, const char* type) {
  Recorder& r = recorder();
  std::unique_lock lock(r.mutex);
  const auto found = r.live.find(object);
  const bool alive = found != r.live.end() && found->second == type;
  lock.unlock();
  require(alive, text("this ", type, " was not created, or is destroyed"));
  return alive;
}

void CallCheck::destroy(const void* object, const char* type) {
  if (!live(object, type)) return;
  Recorder& r = recorder();
  const std::scoped_lock lock(r.mutex);
  r.live.erase(object);
}

void CallCheck::memory(const Piece& piece, std::size_t alignment) {
  if (piece.bytes == 0) return;
  require(piece.begin != nullptr, text(piece.what, " is null"));
  require(reinterpret_cast<std::uintptr_t>(piece.begin) % alignment == 0,
          text(piece.what, " is not aligned to ", alignment, " bytes"));
  require(is_allocated(piece.begin, piece.bytes),
          text(piece.what, ", ", piece.bytes, " bytes, is not within an allocation of the device"));
}

void CallCheck::apart(const Piece& output, const std::vector<Piece>& inputs) {
  const auto begin = [](const Piece& p) { return reinterpret_cast<std::uintptr_t>(p.begin); };
  for (const Piece& input : inputs)
    require(begin(output) + output.bytes <= begin(input) || begin(input) + input.bytes <= begin(output),
            text(output.what, " overlaps ", input.what));
}

Piece matrix(const char* what, const float* begin, std::int64_t rows, std::int64_t columns,
             std::int64_t leading) {
  const std::int64_t elements = rows == 0 || columns == 0 ? 0 : (columns - 1) * leading + rows;
  return {what, begin, sizeof(float) * static_cast<std::size_t>(elements)};
}

std::vector<Piece> columns_of(const Gemm& gemm) {
  std::vector<Piece> pieces;
  for (std::int64_t column = 0; column < gemm.n; ++column)
    pieces.push_back(matrix("C", gemm.c + column * gemm.ldc, gemm.m, 1, gemm.ldc));
  return pieces;
}

void CallCheck::gemm(const Gemm& g) {
  require(g.m >= 0 && g.n >= 0 && g.k >= 0, text("m, n, k are ", g.m, ", ", g.n, ", ", g.k));
  const auto leading = [&](const char* name, std::int64_t given, std::int64_t rows) {
    require(given >= rows && given >= 1, text(name, " is ", given, ", but the matrix has ", rows, " rows"));
  };
  const std::int64_t rows_a = g.transpose_a ? g.k : g.m, rows_b = g.transpose_b ? g.n : g.k;
  leading("lda", g.lda, rows_a);
  leading("ldb", g.ldb, rows_b);
  leading("ldc", g.ldc, g.m);
  if (!passed_) return;
  const Piece a = matrix("A", g.a, rows_a, g.transpose_a ? g.m : g.k, g.lda);
  const Piece b = matrix("B", g.b, rows_b, g.transpose_b ? g.k : g.n, g.ldb);
  const Piece c = matrix("C", g.c, g.m, g.n, g.ldc);
  const Piece bias = matrix("the bias", g.bias, g.m, g.bias == nullptr ? 0 : 1, g.m);
  for (const Piece& piece : {a, b, c, bias}) memory(piece, sizeof(float));
  apart(c, {a, b, bias});
}

void CallCheck::submit(decltype(LibraryCall::work) work, const std::vector<Piece>& outputs,
                       cudaStream_t stream) {
  call_.work = std::move(work);
  LibraryRecording::Interpreter interpreter;
  {
    Recorder& r = recorder();
    const std::scoped_lock lock(r.mutex);
    if (r.recording) r.calls.back().work = call_.work;
    interpreter = r.interpreter;
  }
  const auto run = [call = call_, outputs, interpreter] {
    if (interpreter) interpreter(call);
    for (const Piece& output : outputs) {
      if (!interpreter) std::memset(const_cast<void*>(output.begin), 0xff, output.bytes);
      if (observer != nullptr) observer->written(output.begin, output.bytes);
    }
  };
  using Run = decltype(run);
  enqueue({.body = [](const void* r) { (*static_cast<Run*>(r))(); },
           .arguments = std::make_shared<Run>(run),
           .grid = {1, 1, 1},
           .block = {1, 1, 1},
           .kernel = reinterpret_cast<const void*>(&take_library_finding)},
          stream);
}

}  // namespace cuelbo::simt
