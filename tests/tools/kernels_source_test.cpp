// `cuelbo kernels profile --source`: kernels in users' files.
#include <csignal>
#include <fstream>

#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "engine/io/npz.hpp"
#include "tests/support/paths.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class KernelsSource : public TinyTest {
 protected:
  void SetUp() override {
    if (run({"devices"}).out.find("simt-checked usable") == std::string::npos)
      GTEST_SKIP() << "built without the device simt-checked";
  }

  Outcome profile(const std::string& file, const std::string& kernel, const std::string& grid,
                  const std::string& block, const std::string& args,
                  std::vector<std::string> more = {}) const {
    std::vector<std::string> command{"kernels", "profile", "--source", file,  "--kernel", kernel,
                                     "--grid",  grid,      "--block",  block, "--args",   args};
    command.insert(command.end(), more.begin(), more.end());
    return run(command);
  }
  static std::string example(const std::string& name) {
    return source_directory() + "/docs/examples/" + name + ".cu";
  }
  Json lines(const std::string& name, const std::string& kernel, const std::string& grid,
             const std::string& block, const std::string& args, std::vector<std::string> more = {}) const {
    more.emplace_back("--json");
    const Outcome outcome = profile(example(name), kernel, grid, block, args, more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out).at("lines") : Json::array();
  }
  // The only row of this kind.
  static Json row(const Json& lines, const std::string& access, const std::string& memory) {
    Json found;
    for (const Json& line : lines)
      if (line.at("access") == access && line.at("memory") == memory) {
        EXPECT_TRUE(found.is_null()) << lines;
        found = line;
      }
    EXPECT_FALSE(found.is_null()) << lines;
    return found;
  }
  std::string write(const std::string& text) {
    const std::string file = (directory_ / "mine.cu").string();
    std::ofstream(file) << text;
    return file;
  }
};

double each(const Json& row, const char* what) {
  return row.at(what).get<double>() / row.at("requests").get<double>();
}

TEST_F(KernelsSource, ATransposeStoresColumns) {
  const std::string args = "f32[4096] out; f32[4096]; i32=64";
  const Json naive = lines("transpose", "naive", "2,2", "32,32", args);
  EXPECT_EQ(each(row(naive, "load", "global"), "sectors"), 4);
  EXPECT_EQ(each(row(naive, "store", "global"), "sectors"), 32);
  const Json tiled = lines("transpose", "tiled<32>", "2,2", "32,32", args);
  EXPECT_EQ(each(row(tiled, "store", "global"), "sectors"), 4);
  EXPECT_EQ(each(row(tiled, "load", "shared"), "wavefronts"), 32);
  const Json padded = lines("transpose", "tiled<33>", "2,2", "32,32", args);
  EXPECT_EQ(each(row(padded, "store", "global"), "sectors"), 4);
  EXPECT_EQ(each(row(padded, "load", "shared"), "wavefronts"), 1);
}

TEST_F(KernelsSource, AHistogramMeetsItselfInItsBins) {
  // Every byte is a 7: all lanes of a request wait for one counter.
  const std::string args = "u32[256]=zeros out; u8[4096]=7; i32=4096";
  const Json global = lines("histogram", "global_atomics", "4", "256", args);
  EXPECT_EQ(each(row(global, "atomic", "global"), "serialized"), 32);
  EXPECT_EQ(row(global, "atomic", "global").at("requests"), 4096 / 32);
  const Json shared = lines("histogram", "shared_atomics", "4", "256", args, {"--shared", "1024"});
  EXPECT_EQ(each(row(shared, "atomic", "shared"), "serialized"), 32);
  // Each block adds its 256 bins to the whole, one lane per bin.
  EXPECT_EQ(each(row(shared, "atomic", "global"), "serialized"), 1);
  EXPECT_EQ(row(shared, "atomic", "global").at("requests"), 4 * 256 / 32);
}

TEST_F(KernelsSource, AStencilReadsItsNeighboursAgain) {
  const std::string args = "f32[1030] out; f32[1030]; i32=1030";
  const Json global = row(lines("stencil", "from_global", "4", "256", args), "load", "global");
  EXPECT_EQ(global.at("requests"), 7 * 1024 / 32);
  // One of the seven offsets, -3 … 3 from an element that is three behind a sector's begin, is aligned.
  EXPECT_DOUBLE_EQ(each(global, "sectors"), (4 + 6 * 5) / 7.0);
  const Json shared = lines("stencil", "from_shared", "4", "256", args);
  double loads = 0;
  for (const Json& line : shared)
    if (line.at("access") == "load" && line.at("memory") == "global") loads += line.at("lanes").get<double>();
  EXPECT_EQ(loads, 1024 + 4 * 6);
}

TEST_F(KernelsSource, WritesWhatTheKernelComputes) {
  const std::string file = write(
      "#include <cstdio>\n#include <device_launch_parameters.h>\n"
      "__constant__ float unused[4];\n"
      "namespace app { template <class T, int N> __global__ void scale(T* y, const T* x, int n) {\n"
      "  extern __shared__ __align__(16) T tile[];\n"
      "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
      "  if (i < n) tile[threadIdx.x] = x[i];\n"
      "  int count = __syncthreads_count(i < n);\n"
      "  if (i < n) y[i] = N * tile[threadIdx.x] + count;\n} }\n"
      "int main() { float *x; cudaMalloc(&x, 4); float ms; cudaEventElapsedTime(&ms, 0, 0);\n"
      "  app::scale<float, 3><<<1, 64, 256>>>(x,\n x, 1); }\n");
  TemporaryDirectory out;
  const Outcome outcome =
      profile(file, "app::scale<float, 3>", "2", "64", "f32[100]=-1 out; f32[100]=index; i32=100",
              {"--shared", "256", "-o", (out / "y.npz").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Array array = read_npz(out / "y.npz").at("argument 1");
  const auto y = array.as<float>();
  ASSERT_EQ(y.size(), 100U);
  for (std::size_t i = 0; i < y.size(); ++i)
    EXPECT_EQ(y[i], 3 * static_cast<float>(i) + (i < 64 ? 64 : 36)) << i;
}

TEST_F(KernelsSource, NotesVariablesThatOnlyMainFills) {
  const std::string file = write(
      "__constant__ int n;\n__global__ void k(int* x) {\n  x[0] = 1 / n;\n}\n"
      "int main() { int h = 2; cudaMemcpyToSymbol(n, &h, 4); cudaMemcpyFromSymbol(&h, n, 4);\n"
      "  void* p; cudaGetSymbolAddress(&p, n); size_t s; cudaGetSymbolSize(&s, n); "
      "cudaMemcpyToSymbolAsync(n, &h, 4);\n"
      "  cudaMemcpyFromSymbolAsync(&h, n, 4); }\n");
  const Outcome outcome = profile(file, "k", "1", "1", "i32[1] out");
  EXPECT_TRUE(fails(outcome, 1, "integer division by zero"));
  EXPECT_THAT(outcome.err, HasSubstr("mine.cu:1: 'n' is zero: the host code that fills it with "
                                     "cudaMemcpyToSymbol does not run; give it an initialiser\n"));
}

TEST_F(KernelsSource, FindsFaultsAtTheirLine) {
  const std::string file = write(
      "__global__ void count(int* n) {\n  *n = *n + 1;\n}\n"
      "__global__ void shift(int* x) {\n  x[threadIdx.x + 1] = 0;\n}\n");
  const Outcome race = profile(file, "count", "1", "64", "i32[1]=0 out");
  EXPECT_EQ(race.code, 1);
  EXPECT_THAT(race.err, HasSubstr("mine.cu:2: block (0, 0, 0), thread (1, 0, 0): read of 4 bytes races"));
  const Outcome outside = profile(file, "shift", "1", "64", "i32[64]");
  EXPECT_EQ(outside.code, 1);
  EXPECT_THAT(outside.err,
              HasSubstr("mine.cu:5: block (0, 0, 0), thread (63, 0, 0): write of 4 bytes outside"));
}

// Faults that end a program on a CPU are reported with their line, and the program continues. Each run compiles its
// kernel, so not all kinds of tests/kernels/simt are tried here.
TEST_F(KernelsSource, FaultsOfTheProcessorAreFindings) {
  const std::string file = write(
      "#include <csetjmp>\n#include <csignal>\n#include <unistd.h>\n#line 1\n"
      "static int host = [] { exit(3); return 1; }(); __device__ int depth(volatile int* x, int n) {\n"
      "  volatile int here[32]; here[n % 32] = n;\n"
      "  return *x == 1 ? n : depth(x, n + 1) + here[0];\n"
      "}\n"
      "__global__ void all(int* x, int which) {\n"
      "  int i = threadIdx.x + blockDim.x * threadIdx.y;\n"
      "  __syncthreads();\n"
      "  switch (which) {\n"
      "    case 0: x[i] = i % x[i]; break;\n"
      "    case 1: x[i] = (-2147483647 - 1) / (x[i] - 1); break;\n"
      "    case 2: x[i] = depth(x, 0); break;\n"
      "    case 3: assert(x[i] == 1); break;\n"
      "    case 4: __trap();\n"
      "    case 5: exit(0);\n"
      "    case 6: while (x[i] == 0) { x[i] = 0; }\n"
      "    case 7: all<<<1, 1>>>(x, 0);\n"
      "    case 8: raise(SIGSEGV);\n"
      "    case 9: kill(getpid(), SIGKILL);\n"
      "    case 10: longjmp(*(jmp_buf*)x, 1);\n"
      "    case 11: x[i] = 1 << (32 - x[i]);\n"
      "  }\n"
      "}\n");
  const struct {
    const char *which, *line, *text;
  } faults[] = {
      {"0", "9", "integer division by zero; a GPU does not stop here, its result is unspecified"},
      {"1", "10", "integer division of the smallest number by -1, whose result does not fit"},
      {"2", "", "the thread's stack of 1024 KiB is used up: by recursion, or by large local arrays"},
      {"3", "12", "the assertion 'x[i] == 1' does not hold"},
      {"4", "13", "__trap()"},
      {"5", "14", "exit(), which is a function of the host"},
      {"7", "16", "a launch by a kernel; dynamic parallelism is not executed on the CPU"},
      {"8", "17", "raise(), which is a function of the host"},
      {"9", "18", "kill(), which is a function of the host"},
      {"10", "19", "longjmp(), which is a function of the host"},
      {"11", "20",
       "shift of a 32-bit value by 32: undefined in C++, a GPU shifts out all bits; shift by 0 to 31"},
      {"6", "15", "the block still runs after 1000000 steps (--loop-limit): a loop without end"},
  };
  for (const auto& fault : faults) {
    const Outcome outcome =
        profile(file, "all", "1", "8,4", std::string("i32[32]=zeros out; i32=") + fault.which,
                {"--loop-limit", "1000000"});
    EXPECT_TRUE(fails(outcome, 1, fault.text)) << fault.which;
    EXPECT_THAT(outcome.err, HasSubstr(fmt::format("mine.cu:{}", fault.line)));
    EXPECT_THAT(outcome.err, HasSubstr(": block (0, 0, 0), thread (0, 0, 0): "));
  }
}

TEST_F(KernelsSource, ConversionsAndBitsAreCudas) {
  const std::string file = write(
      "#include <cuda_fp16.h>\n__global__ void k(int* y) {\n  static __shared__ int first[1];\n  first[0] = "
      "__float2int_rn(2.5f);\n"
      "  y[0] = first[0]; y[1] = __float2int_rz(-2.7f); y[2] = __float2int_rd(-2.1f); y[3] = "
      "__double2int_ru(2.1);\n"
      "  y[4] = __float2int_rn(1e10f); y[5] = __float2int_rn(0.0f / 0.0f); y[6] = "
      "(int)__float2uint_rz(-1.0f);\n"
      "  y[7] = (int)__byte_perm(0x01020384, 0x05060708, 0x8c40); y[8] = (int)__funnelshift_l(1u << 31, 2, "
      "3);\n"
      "  y[9] = (int)__funnelshift_r(8, 1, 35); y[10] = __mulhi(1 << 30, -8); y[11] = (int)__umul64hi(1ull "
      "<< 63, 6);\n"
      "  y[12] = __hadd(-3, 2147483647); y[13] = __rhadd(-3, -2); y[14] = (int)__uhadd(~0u, 2u); y[15] = "
      "(int)__urhadd(~0u, 2u);\n"
      "  y[16] = __dp4a((int)0x80ff0102, 0x01020304, 5); y[17] = (int)__dp4a(0x80ff0102u, 0x01020304u, 5u);\n"
      "  y[18] = (int)__sad(-2147483647, 2147483647, 1u); y[19] = (int)__usad(1u, 4u, 2u);\n"
      "  y[20] = (int)norm3df(2, 3, 6); y[21] = (int)__half2float(__hadd(__float2half(1), "
      "__float2half(2)));\n"
      "}\n");
  TemporaryDirectory out;
  ASSERT_TRUE(succeeds(profile(file, "k", "1", "1", "i32[22] out", {"-o", (out / "y.npz").string()})));
  const Array y = read_npz(out / "y.npz").at("argument 1");
  EXPECT_THAT(y.as<int>(), ::testing::ElementsAre(2, -2, -3, 3, 2147483647, 0, 0,
                                                  static_cast<int>(0xff000884), 20, 0x20000001, -2, 3,  //
                                                  1073741822, -2, static_cast<int>(0x80000000),
                                                  static_cast<int>(0x80000001), -114, 654, -1, 5, 7, 3));
}

// Also in a file as an editor on Windows writes it.
TEST_F(KernelsSource, AByteOrderMarkAndWindowsLineEndsChangeNothing) {
  const std::string file = write(
      "\xef\xbb\xbf#include <cstdio>\r\n// comment \\\r\n goes on\r\n#define BOTH(x) \\\r\n  (x)\r\n"
      "__global__ void k(int* x) {\r\n  extern __shared__\r\n  int s[];\r\n  x[BOTH(1)] = 1;\r\n}\r\n");
  EXPECT_TRUE(fails(profile(file, "k", "1", "1", "i32[1]"), 1, "mine.cu:9: block (0, 0, 0)"));
  EXPECT_TRUE(succeeds(profile(file, "k", "1", "1", "i32[2]")));
}

TEST_F(KernelsSource, WhatAKernelPrintsIsNotInTheJson) {
  const std::string file = write(
      "#include <cstdio>\n__global__ void k(int* x) {\n  printf(\"%d says\", x[threadIdx.x]);\n  x[0] = "
      "1;\n}\n");
  const Outcome json = profile(file, "k", "1", "1", "i32[1]=7", {"--json"});
  ASSERT_TRUE(succeeds(json));
  EXPECT_FALSE(Json::parse(json.out, nullptr, false).is_discarded()) << json.out;
  EXPECT_THAT(json.err, HasSubstr("7 says"));
  const Outcome text = profile(file, "k", "1", "1", "i32[1]=7");
  EXPECT_THAT(text.out, ::testing::StartsWith("7 says"));
  const Outcome found = profile(file, "k", "1", "2", "i32[1]=7", {"--json"});
  EXPECT_EQ(found.code, 1);
  EXPECT_FALSE(Json::parse(found.out, nullptr, false).is_discarded()) << found.out;
}

TEST_F(KernelsSource, CopiesOfBytesAreAccesses) {
  const std::string file = write(
      "#include <algorithm>\n#include <cstring>\nstruct Row { float v[64]; };\n"
      "__global__ void k(float* y, const float* x, size_t bytes, int which) {\n"
      "  if (which == 0) memcpy(y, x, bytes);\n"
      "  if (which == 1) std::copy(x, x + bytes / 4, y);\n"
      "  if (which == 2) *(Row*)y = *(const Row*)x;\n"
      "}\n");
  const auto outcome = [&](const std::string& which, const std::string& bytes) {
    return profile(file, "k", "1", "1", "f32[64] out; f32[64]; u64=" + bytes + "; i32=" + which, {"--json"});
  };
  for (const auto& [which, line] : {std::pair("0", "5"), std::pair("1", "6")})
    EXPECT_TRUE(
        fails(outcome(which, "100000000"), 1,
              fmt::format("mine.cu:{}: block (0, 0, 0), thread (0, 0, 0): read of 100000000 bytes", line)));
  for (const char* const which : {"0", "1", "2"}) {
    const Outcome copied = outcome(which, "256");
    ASSERT_TRUE(succeeds(copied)) << which;
    EXPECT_EQ(Json::parse(copied.out).at("lines").size(), 2U) << copied.out;
    EXPECT_EQ(Json::parse(copied.out).at("loaded_bytes"), 256) << which;
  }
}

// The compiler and what it started end with the command.
// Whether g++ has begun a temporary file, cc<random>.s.
bool compiler_writes(const std::filesystem::path& folder) {
  return std::ranges::any_of(files_below(folder), [](const std::filesystem::path& file) {
    return file.extension() == ".s" && file.filename().string().starts_with("cc");
  });
}
TEST_F(KernelsSource, ASignalEndsTheCompilerToo) {
  const std::string file = write("#include <regex>\n#include <iostream>\n__global__ void k() {}\n");
  std::filesystem::create_directory(path("tmp"));
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    RunningCuelbo running({"kernels", "profile", "--source", file, "--kernel", "k"}, directory_.path(),
                          {.script = R"(TMPDIR="$PWD/tmp" exec "$0" "$@")"});
    while (!compiler_writes(path("tmp"))) usleep(1000);
    running.signal(signal);
    EXPECT_EQ(running.wait().code, -signal);
    EXPECT_TRUE(directory_content(path("tmp")).empty());
  }
}

TEST_F(KernelsSource, NumbersAreNotNarrowed) {
  const std::string file =
      write("__global__ void k(int* x, unsigned char n, float f) {\n  x[0] = n + (int)f;\n}\n");
  const auto error = [&](const std::string& args, const std::string& block,
                         std::vector<std::string> more = {}) {
    const Outcome outcome = profile(file, "k", "1", block, args, std::move(more));
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error("i32[1]; u8=300; f32=1", "1"),
              HasSubstr("--args: 'u8=300': 300 is outside the range of u8, 0 to 255"));
  EXPECT_THAT(error("", "2048"), HasSubstr("--block: X is 2048; at most 1024 is possible"));
  EXPECT_THAT(error("", "64,32"), HasSubstr("64×32×1 are 2048 threads; a block has at most 1024"));
  EXPECT_THAT(error("", "1,1,65"), HasSubstr("Z is 65; at most 64 is possible"));
  EXPECT_THAT(error("", "1", {"--shared", "300000"}),
              HasSubstr("--shared is 300000; it must be at least 0 and at most 232448"));
  EXPECT_EQ(run({"kernels", "profile", "--source", file, "--kernel", "k", "--grid", "1,65536"}).code, 2);
  // The kernel's parameters do not narrow what --args gives either.
  EXPECT_TRUE(fails(profile(file, "k", "1", "1", "i32[1]; i32=300; f32=1"), 1,
                    "--kernel k --args: 'i32=300': parameter 2 of the kernel cannot hold this number"));
  TemporaryDirectory out;
  const Outcome outcome =
      profile(file, "k", "1", "1", "i32[1] out; i32=200; i32=55", {"-o", (out / "y.npz").string()});
  ASSERT_TRUE(succeeds(outcome));
  EXPECT_EQ(read_npz(out / "y.npz").at("argument 1").as<int>()[0], 255);
}

// The compiler's warnings miss numbers that have as many bits as the parameter.
TEST_F(KernelsSource, ParametersHoldTheNumbersTheyAreGiven) {
  const std::string file = write(
      "#include <cstdint>\nstruct Byte { Byte(unsigned char b) : value(b) {} int value; };\n"
      "__global__ void narrow(signed char c, short s, int n) {}\n"
      "__global__ void wraps(Byte b) {}\n"
      "template <class T, class N> __global__ void all(long long* y, const T* x, N n, T m, bool b, char c, "
      "Byte w) {\n"
      "  y[0] = x[0] + n + m + b + c + w.value;\n}\n"
      "__global__ void bytes(long long* y, const char* a, char* b, const bool* c) { y[0] = a[0] + b[0] + "
      "c[0]; }\n"
      "__global__ void words(int64_t* y, const uint64_t* x, const long long* z) { y[0] = x[1] + z[2]; }\n");
  for (const auto& [args, error] :
       {std::pair("i32=200; i32=1; i32=1", "'i32=200': parameter 1 "),
        std::pair("i16=128; i32=1; i32=1", "'i16=128': parameter 1 "),
        std::pair("i8=1; i32=40000; i32=1", "'i32=40000': parameter 2 "),
        std::pair("i8=1; i8=1; i64= 0xffffffff", "'i64=0xffffffff': parameter 3 ")})
    EXPECT_TRUE(fails(profile(file, "narrow", "1", "1", args), 1,
                      fmt::format("--kernel narrow --args: {}of the kernel cannot hold this number", error)));
  EXPECT_TRUE(fails(profile(file, "wraps", "1", "1", "i32=300"), 1, "changes value from ‘300’ to ‘44’"));
  EXPECT_TRUE(fails(profile(file, "words", "1", "1", "i64[1] out; i64[2]; i64[3]"), 1,
                    "cannot convert ‘cuelbo::lab::IntegerArray<long long int>’ to ‘const uint64_t*’"));
  TemporaryDirectory out;
  const auto result = [&](const std::string& kernel, const std::string& args) {
    EXPECT_TRUE(succeeds(profile(file, kernel, "1", "1", args, {"-o", (out / "y.npz").string()})));
    return read_npz(out / "y.npz").at("argument 1").as<std::int64_t>()[0];
  };
  EXPECT_EQ(result("all", "i64[1] out; u32[1]=1; i64=0xffffffff; u32=10; i32=2; i32=100; i32=7"),
            0xffffffffLL + 1 + 10 + 1 + 100 + 7);
  EXPECT_EQ(result("bytes", "i64[1] out; i8[1]=-3; u8[1]=7; u8[1]=1"), 5);
  EXPECT_EQ(result("words", "i64[1] out; u64[2]=3; i64[3]=4"), 7);
}

TEST_F(KernelsSource, SaysWhatIsWrong) {
  const std::string file = write("__global__ void k(float* x) {\n  x[0] = 1\n}\n");
  const auto error = [&](const std::string& kernel, const std::string& grid, const std::string& args,
                         int code) {
    const Outcome outcome = profile(file, kernel, grid, "32", args);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error("kk", "1", "f32[1]", 2), HasSubstr("has no kernel 'kk' (did you mean 'k'?)"));
  EXPECT_THAT(error("k", "0", "f32[1]", 2), HasSubstr("--grid"));
  EXPECT_THAT(error("k", "1", "f32[]", 2), HasSubstr("--args: 'f32[]': '' is not a number"));
  EXPECT_THAT(error("k", "1", "f32[1]", 1), HasSubstr("mine.cu:2:11: error: expected ‘;’"));
  write("__global__ void k(float* x) {\n  x[0] = 1;\n}\n");
  EXPECT_THAT(error("k", "1", "i32[1]", 1), HasSubstr("--kernel k --args: error: cannot convert"));
  EXPECT_THAT(error("k", "1", "f32[1]; i32=1", 1), HasSubstr("--kernel k --args: error: too many arguments"));
  write("\nextern __shared__ float s[];\n__global__ void k() {}\n");
  EXPECT_THAT(error("k", "1", "", 1), HasSubstr("mine.cu:2: extern __shared__ outside of a function"));
  const Outcome missing = run({"kernels", "profile", "--source", file + ".none", "--kernel", "k"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("mine.cu.none': cannot read"));
  EXPECT_EQ(run({"kernels", "profile", "--source", file}).code, 2);
  EXPECT_EQ(run({"kernels", "profile", "add", "--source", file, "--kernel", "k"}).code, 2);
  EXPECT_EQ(run({"kernels", "profile"}).code, 2);
}

}  // namespace
}  // namespace cuelbo::test
