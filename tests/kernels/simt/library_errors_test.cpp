// Errors in variants that call a library are reported, and handles and workspace are made once, outside of graphs.
#if defined(CUELBO_HAVE_CUDA_LIBRARIES)

#include "kernels/elementwise/elementwise_library.hpp"
#include "kernels/linear/linear_library.hpp"
#include "kernels/reduce/reduce_library.hpp"
#include "tests/kernels/simt/library_fixture.hpp"

namespace cuelbo::test {
namespace {

using namespace kernels;
using kernels::cuda::linear_library;
using simt::LibraryRecording;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using LibraryErrors = LibraryTest;

LinearForward small_product(const DeviceFloats& memory) {
  return {
      .rows = 2, .in = 2, .out = 2, .x = memory.data(), .weight = memory.data() + 4, .y = memory.data() + 8};
}

TEST_F(LibraryErrors, AStreamWithoutItsLibrariesIsNamed) {
  const DeviceFloats memory(12);
  const auto& variant = linear_library<LinearForward>().front();
  variant.kernel.launch(small_product(memory), {.handle = stream_});
  EXPECT_THAT(take_library_error(), HasSubstr("on a stream without libraries"));
  variant.kernel.launch(small_product(memory), {.handle = nullptr, .libraries = libraries_.get()});
  EXPECT_THAT(take_library_error(), HasSubstr("libraries of another stream"));
}

TEST_F(LibraryErrors, KernelsOfNvccOnlyAreNamed) {
  cuda::sum_of_squares_library_variants().front().kernel.launch({}, stream());
  EXPECT_THAT(take_library_error(), HasSubstr("CUB"));
  cuda::sum_columns_library_variants().front().kernel.launch({}, stream());
  EXPECT_THAT(take_library_error(), HasSubstr("CUB"));
  cuda::add_library_variants().front().kernel.launch({}, stream());
  EXPECT_THAT(take_library_error(), HasSubstr("Thrust"));
  cuda::exp_library_variants().front().kernel.launch({}, stream());
  EXPECT_THAT(take_library_error(), HasSubstr("Thrust"));
}

TEST_F(LibraryErrors, ARefusedCallIsReportedWithItsStatusAndStaysTheFirst) {
  const DeviceFloats memory(11);  // one float too few for y
  for (const auto& variant : linear_library<LinearForward>()) {
    variant.kernel.launch(small_product(memory), stream());
    variant.kernel.launch(small_product(memory), {});
    EXPECT_THAT(
        take_library_error(),
        AllOf(HasSubstr(variant.library == std::string("cuBLAS") ? "cublasSgemm_64" : "cublasLtMatmul"),
              HasSubstr("CUBLAS_STATUS_INVALID_VALUE"), HasSubstr("C, 16 bytes, is not within")));
  }
}

TEST_F(LibraryErrors, HandlesAreNotMadeWhileAGraphIsCaptured) {
  const DeviceFloats memory(std::vector<float>(12, 1));
  const auto capture = [&](const Variant<LinearForward>& variant) {
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    variant.kernel.launch(small_product(memory), stream());
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
    return graph;
  };
  for (const auto& variant : linear_library<LinearForward>().first(2)) {
    libraries_ = std::make_unique<Libraries>(stream_);
    cudaGraphDestroy(capture(variant));
    EXPECT_THAT(take_library_error(), HasSubstr("while a graph is captured: run the variant once before"));
    launch(variant, small_product(memory));

    const LibraryRecording recording(interpret_call);
    cudaGraph_t graph = capture(variant);
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    wait();
    EXPECT_TRUE(std::isnan(memory.host()[8])) << "the call ran when it was captured";
    EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
    wait();
    EXPECT_EQ(memory.host()[8], 2) << variant.name;
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
    EXPECT_EQ(take_library_error(), "");
  }
}

TEST_F(LibraryErrors, HandlesAndWorkspacesAreMadeOnceAndOnlyWhenUsed) {
  EXPECT_THAT(simt::live_library_objects(), testing::IsEmpty());
  void* const first = libraries_->workspace(1000);
  EXPECT_EQ(libraries_->workspace(Libraries::gemm_workspace), first);
  void* const larger = libraries_->workspace(Libraries::gemm_workspace + 1);
  EXPECT_NE(larger, first);
  EXPECT_TRUE(simt::is_allocated(first, Libraries::gemm_workspace)) << "graphs may hold it";
  EXPECT_TRUE(simt::is_allocated(larger, Libraries::gemm_workspace + 1));
  EXPECT_EQ(libraries_->cublas(), libraries_->cublas());
  EXPECT_EQ(libraries_->cudnn(), libraries_->cudnn());
  EXPECT_EQ(libraries_->cublaslt(), libraries_->cublaslt());
  EXPECT_EQ(libraries_->curand(), libraries_->curand());
  EXPECT_THAT(simt::live_library_objects(),
              testing::UnorderedElementsAre("cublasHandle_t", "cublasLtHandle_t", "cudnnHandle_t",
                                            "curandGenerator_t"));
}

// Setting the stream takes cuBLAS's workspace away, so the order matters.
TEST_F(LibraryErrors, CublasGetsItsWorkspaceAfterItsStream) {
  const LibraryRecording recording;
  libraries_->cublas();
  std::vector<std::string> names;
  for (const simt::LibraryCall& call : recording.calls()) names.push_back(call.name);
  EXPECT_THAT(names,
              ElementsAre("cublasCreate", "cublasSetStream", "cublasSetWorkspace", "cublasSetMathMode"));
}

}  // namespace
}  // namespace cuelbo::test

#endif
