// A user's CUDA file becomes C++, line for line.
#include "tools/lab/source/rewrite.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "engine/error.hpp"
#include "tools/lab/source/unfilled.hpp"

namespace cuelbo::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string rewritten(std::string_view text) {
  std::string result = rewrite_cuda(text, "mine.cu");
  EXPECT_EQ(std::ranges::count(result, '\n'), std::ranges::count(text, '\n')) << result;
  return result;
}

std::string refusal(std::string_view text) {
  try {
    return "no error, but " + rewrite_cuda(text, "mine.cu");
  } catch (const Error& error) {
    return error.what();
  }
}

// The rewritten form of a launch.
std::string call(const std::string& kernel, const std::string& configuration, const std::string& arguments) {
  return "::cuelbo::simt::configure(" + configuration + ")([=](auto... arguments) { " + kernel +
         "(arguments...); }" + arguments;
}

TEST(Rewrite, LeavesPlainCppAlone) {
  constexpr std::string_view text =
      "int f(int a, int b) { return a << 2 >> b; } // <<<\n/* k<<<1, 2>>>(x); */ const char* s = "
      "\"k<<<1>>>()\";\n"
      "auto r = R\"x(k<<<1, 2>>>(x)\")x\"; char c = '<'; long n = 1'000'000; extern int g;\n";
  EXPECT_EQ(rewritten(text), text);
}

TEST(Rewrite, TurnsLaunches) {
  EXPECT_EQ(rewritten("k<<<g, 256>>>(x, n);"), call("k", "g, 256", ", x, n);"));
  EXPECT_EQ(rewritten("k<<<g, 256>>>();"), call("k", "g, 256", ");"));
  EXPECT_EQ(rewritten("return k <<< dim3(2, 2), b, s >>> (x);"),
            "return " + call("k", " dim3(2, 2), b, s ", ", x);"));
  EXPECT_EQ(rewritten("if (a > b) app::k<float, 4><<<1, f<3>(n)>>>(g(x, y));"),
            "if (a > b) " + call("app::k<float, 4>", "1, f<3>(n)", ", g(x, y));"));
  EXPECT_EQ(rewritten("kernels[i]<<<1, 2>>>(x); this->k<<<1, 2>>>(x);"),
            call("kernels[i]", "1, 2", ", x); ") + call("this->k", "1, 2", ", x);"));
}

TEST(Rewrite, KeepsLaunchesOnTheirLines) {
  const std::string result = rewritten("k\n  <<<g,\n     b>>>\n  (x,\n   n);\nlast();");
  EXPECT_THAT(result, HasSubstr("x,\n   n);\nlast();"));
}

TEST(Rewrite, TurnsNoinline) {
  EXPECT_EQ(rewritten("__device__ __noinline__ int f();"), "__device__ __attribute__((noinline)) int f();");
  constexpr std::string_view as_gnu = "__attribute__((__noinline__)) int f();";
  EXPECT_EQ(rewritten(as_gnu), as_gnu);
}

TEST(Rewrite, SharedStandsInFrontOfOtherSpecifiers) {
  EXPECT_EQ(rewritten("{ static __shared__ T x[4]; }"), "{ __shared__ T x[4]; }");
  EXPECT_EQ(rewritten("__shared__ alignas(16) T x[4];"), "__shared__ T x[4];");
  EXPECT_EQ(rewritten("; volatile __shared__ T x, y;"), "; __shared__ volatile T x, y;");
  EXPECT_EQ(rewritten("alignas(f(1)) static\n__shared__ const volatile T x;"),
            "__shared__ const volatile\n T x;");
  EXPECT_EQ(rewritten("if (a) __shared__ T x;"), "if (a) __shared__ T x;");
}

TEST(Rewrite, TurnsDynamicSharedMemory) {
  const std::string f = "__global__ void k() { ";
  EXPECT_EQ(rewritten(f + "extern __shared__ float s[]; }"),
            f + "float* const s = ::cuelbo::kernels::dynamic_shared<float>(); }");
  for (const char* const other :
       {"extern __shared__ __align__(16) float s[]; }", "extern __align__(16) __shared__ float s[ ]; }",
        "alignas(16) extern __shared__ float s[]; }"})
    EXPECT_THAT(rewritten(f + other), HasSubstr("::cuelbo::kernels::dynamic_shared<")) << other;
  EXPECT_THAT(
      rewritten("template <class T> __global__ void k() { extern __shared__ typename V<T>::type s[]; }"),
      HasSubstr("typename V<T>::type* const s ="));
}

TEST(Rewrite, NamesWithItsLineWhatItCannotTurn) {
  EXPECT_THAT(refusal("\n\nextern __shared__ float s[];"), HasSubstr("mine.cu:3: extern __shared__ outside"));
  EXPECT_THAT(refusal("namespace a {\nextern __shared__ float s[];\n}"),
              HasSubstr("mine.cu:2: extern __shared__"));
  EXPECT_THAT(refusal("void k() {\nextern __shared__ float s; }"), HasSubstr("mine.cu:2: this form"));
  EXPECT_THAT(refusal("#include <cooperative_groups.h>\n"), HasSubstr("mine.cu:1: <cooperative_groups.h>"));
  EXPECT_THAT(refusal("\n#  include <cub/cub.cuh>\n"), HasSubstr("mine.cu:2: <cub/cub.cuh>"));
  EXPECT_THAT(refusal("void k() {\n asm volatile(\"bar.sync 0;\"); }"), HasSubstr("mine.cu:2: inline PTX"));
  EXPECT_THAT(refusal("\nk<<<1, 2(x);"), HasSubstr("mine.cu:2: the launch of 'k' has no >>>"));
  EXPECT_THAT(refusal("<<<1, 2>>>(x);"), HasSubstr("without the name of a kernel"));
  EXPECT_THAT(refusal("k<<<1, 2>>>;"), HasSubstr("( is expected behind >>>"));
  EXPECT_THAT(refusal("k<<<1, 2>>>(x;"), HasSubstr("has no )"));
}

TEST(Rewrite, NamesTheKernels) {
  EXPECT_THAT(kernel_names("__global__ void a(int* x) {}\n// __global__ void b();\n"
                           "template <int N>\n__global__ void\n__launch_bounds__(256, 2) c(float* x) { }\n"
                           "static __global__ __launch_bounds__(f(3)) void d() { }"),
              ElementsAre("a", "c", "d"));
  EXPECT_THAT(kernel_names("int main() {}"), ElementsAre());
}

std::vector<std::string> unfilled(std::string_view text) {
  std::vector<std::string> found;
  for (const UnfilledVariable& variable : unfilled_variables(text))
    found.push_back(fmt::format("{}:{} {}", variable.name, variable.line, variable.by));
  return found;
}

TEST(UnfilledVariables, AreThoseThatOnlyTheHostFills) {
  EXPECT_THAT(
      unfilled("#define R 2\n__constant__ float mask[2*R+1], scale, unused;\n"
               "__device__ __align__(16) pair<int, float> table[2][3];\nstatic __device__ int* list;\n"
               "__device__ __managed__ struct P p;\n__managed__ int count[2], result;\n"
               "int main() { cudaMemcpyToSymbol(mask, h, sizeof h);\n"
               "  cudaMemcpyToSymbolAsync(scale, &s, 4); cudaMemcpyToSymbol(table, t, 24);\n"
               "  cudaGetSymbolAddress((void**)&q, list); p.x = 1; count[i + 1] = 3; if (result == 3) return "
               "1;\n}\n"),
      ElementsAre("mask:2 cudaMemcpyToSymbol", "scale:2 cudaMemcpyToSymbolAsync",
                  "table:3 cudaMemcpyToSymbol", "list:4 cudaGetSymbolAddress", "p:5 an assignment",
                  "count:6 an assignment"));
  EXPECT_THAT(
      unfilled(
          "__constant__ float mask[2] = {1, 2}; __constant__ int n{3}; __device__ int f(int);\n"
          "// cudaMemcpyToSymbol(other)\n__constant__ int other;\n__device__ int g() { int k; return k; }\n"
          "__managed__ int m;\n__global__ void k() { m = 1; }\n"
          "int main() { cudaMemcpyToSymbol(mask, h, 8); cudaMemcpyToSymbol(n, h, 4); "
          "cudaMemcpyFromSymbol(h, m, 4); }\n"),
      ElementsAre());
}

}  // namespace
}  // namespace cuelbo::lab
