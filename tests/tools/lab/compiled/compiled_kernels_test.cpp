// Parsing the output of cuobjdump.
#include "tools/lab/compiled/compiled_kernels.hpp"

#include <gtest/gtest.h>

#include "tools/lab/compiled/occupancy.hpp"

namespace cuelbo::test {
namespace {

using namespace lab;

constexpr const char* usage = R"(
Fatbin elf code:
================
arch = sm_80
code version = [1,8]
host = linux
compile_size = 64bit

Resource usage:
 Common:
  GLOBAL:0
 Function _Z5plainPf:
  REG:12 STACK:0 SHARED:256 LOCAL:0 CONSTANT[2]:108 CONSTANT[0]:360 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function spilling:
  REG:255 STACK:40 SHARED:0 LOCAL:8 CONSTANT[0]:368 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin ptx code:
================
arch = sm_120
code version = [9,0]
compressed

Fatbin elf code:
================
arch = sm_90
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _Z5plainPf:
  REG:14 STACK:0 SHARED:1280 LOCAL:0 CONSTANT[0]:536 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90

Resource usage:
 Common:
  GLOBAL:0
 Function _Z5plainPf:
  REG:14 STACK:0 SHARED:1280 LOCAL:0 CONSTANT[0]:536 TEXTURE:0 SURFACE:0 SAMPLER:0
)";

// The comments behind instructions are their encoding, which goes on in the next line.
constexpr const char* sass = R"sass(
	code for sm_90
	.target	sm_90

		Function : _Z5plainPf
	.headerflags	@"EF_CUDA_SM90 EF_CUDA_VIRTUAL_SM(EF_CUDA_SM90)"
        /*0000*/                   LDC R1, c[0x0][0x28] ;                       /* 0x00000a00ff017b82 */
                                                                                /* 0x000fe20000000800 */
        /*0010*/              @!P0 LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;    /* 0x00000a00ff017b82 */
        /*0020*/                   LDG.E R4, [R2.64] ;                          /* 0x00000a00ff017b82 */
        /*0030*/                   LDG.E.U8 R4, [R2.64] ;                       /* 0x00000a00ff017b82 */
        /*0040*/                   LDGSTS.E.BYPASS.128 [R11], [R4.64] ;         /* 0x00000a00ff017b82 */
        /*0050*/                   STS.64 [R11], R4 ;                           /* 0x00000a00ff017b82 */
                                                                                /* 0x000fe20000000800 */
        /*0060*/                   LDSM.16.M88.4 R4, [R2] ;                     /* 0x00000a00ff017b82 */
        /*0070*/                   HMMA.16816.F32.BF16 R4, R8, R12, R4 ;        /* 0x00000a00ff017b82 */
        /*0080*/                   HFMA2.MMA R4, -RZ, RZ, 0, 0 ;                /* 0x00000a00ff017b82 */
        /*0090*/                   FFMA R4, R8, R12, R4 ;                       /* 0x00000a00ff017b82 */
        /*00a0*/              @UP0 FFMA.FTZ R4, R8, R12, R4 ;                   /* 0x00000a00ff017b82 */
                                                                                /* 0x000fe20000000800 */
        /*00b0*/                   MUFU.EX2 R4, R8 ;                            /* 0x00000a00ff017b82 */
        /*00c0*/                   SHFL.BFLY PT, R4, R8, 0x1, 0x1f ;            /* 0x00000a00ff017b82 */
        /*00d0*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;                /* 0x00000a00ff017b82 */
        /*00e0*/                   ATOMG.E.ADD.STRONG.GPU PT, R4, [R2.64], R4 ; /* 0x00000a00ff017b82 */
        /*00f0*/                   STL [R1], R4 ;                               /* 0x00000a00ff017b82 */
                                                                                /* 0x000fe20000000800 */
        /*0100*/                   EXIT ;                                       /* 0x00000a00ff017b82 */
        /*0110*/                   NOP;                                         /* 0x00000a00ff017b82 */
		..........
)sass";

TEST(CompiledKernels, ResourcesOfEveryArchitecture) {
  const std::vector<CompiledKernel> kernels = parse_resource_usage(usage);
  ASSERT_EQ(kernels.size(), 3U);  // two files may have the same kernel
  EXPECT_EQ(kernels[0].name, "plain(float*)");
  EXPECT_EQ(kernels[0].architecture, 80);
  EXPECT_EQ(kernels[0].registers, 12);
  EXPECT_EQ(kernels[0].shared, 256U);
  EXPECT_EQ(kernels[0].local, 0U);
  EXPECT_EQ(kernels[0].constant, 360U);
  EXPECT_FALSE(kernels[0].instructions);
  EXPECT_EQ(kernels[1].registers, 255);
  EXPECT_EQ(kernels[1].local, 48U);
  EXPECT_EQ(kernels[2].architecture, 90);
  EXPECT_EQ(kernels[2].shared, 256U) << "without the 1024 bytes that sm_90 counts in";
}

TEST(CompiledKernels, InstructionsByWhatReadersLookFor) {
  std::vector<CompiledKernel> kernels = parse_resource_usage(usage);
  parse_sass(sass, kernels);
  EXPECT_FALSE(kernels[0].instructions) << "the code is sm_90's";
  ASSERT_TRUE(kernels[2].instructions);
  EXPECT_EQ(kernels[2].instructions->total, 17);
  const std::map<std::string, int> expected{
      {"LDG.128", 1}, {"LDG.32", 1}, {"LDG.8", 1}, {"LDGSTS.128", 1}, {"STS.64", 1}, {"LDSM", 1}, {"HMMA", 1},
      {"FFMA", 2},    {"MUFU", 1},   {"SHFL", 1},  {"BAR", 1},        {"ATOM", 1},   {"STL", 1}};
  EXPECT_EQ(kernels[2].instructions->counts, expected);
  EXPECT_EQ(architecture_of_sass(sass), 90);
}

TEST(CompiledKernels, NonsenseIsNoKernel) {
  for (const char* const text : {"", "REG:5", "Function a", "Function :", " Function a:\n", "arch = sm_\n"})
    EXPECT_TRUE(parse_resource_usage(text).empty()) << text;
  std::vector<CompiledKernel> kernels;
  parse_sass("Function : a\n /*0000*/ @P0\n/*\n/*0*/", kernels);
}

TEST(CompiledKernels, AGpuRunsTheNewestCodeOfItsGeneration) {
  std::vector<CompiledKernel> kernels;
  for (const int architecture : {75, 80, 86, 90, 120}) {
    CompiledKernel kernel;
    kernel.name = "k";
    kernel.architecture = architecture;
    kernels.push_back(kernel);
  }
  EXPECT_EQ(code_for(find_gpu("a100"), kernels, "k")->architecture, 80);
  EXPECT_EQ(code_for(find_gpu("rtx4090"), kernels, "k")->architecture, 86);
  EXPECT_EQ(code_for(find_gpu("h100"), kernels, "k")->architecture, 90);
  EXPECT_EQ(code_for(find_gpu("rtx5090"), kernels, "k")->architecture, 120);
  EXPECT_EQ(code_for(find_gpu("h100"), kernels, "l"), nullptr);
}

struct OccupancyCase {
  const char* gpu;
  int registers;
  std::size_t shared, dynamic;
  int threads, blocks;
  double fraction;
  const char* limit;
};

// Registers are given out to warps in units of 256, so 40 of them a thread allow 48 warps; a block takes 1 KiB of shared
// memory more than it asks for.
TEST(Occupancy, IsWhatTheTablesOfTheProgrammingGuideGive) {
  for (const OccupancyCase& c :
       std::initializer_list<OccupancyCase>{{"h100", 32, 0, 0, 256, 8, 1, "registers"},
                                            {"h100", 40, 0, 0, 256, 6, 0.75, "registers"},
                                            {"h100", 64, 0, 0, 256, 4, 0.5, "registers"},
                                            {"h100", 255, 0, 0, 256, 1, 0.125, "registers"},
                                            {"h100", 16, 0, 0, 32, 32, 0.5, "blocks"},
                                            {"h100", 32, 48 << 10, 0, 128, 4, 0.25, "shared memory"},
                                            {"h100", 32, 0, 100 << 10, 512, 2, 0.5, "shared memory"},
                                            {"h100", 32, 0, 227 << 10, 512, 1, 0.25, "shared memory"},
                                            {"a100", 32, 0, 0, 256, 8, 1, "registers"},
                                            {"a100", 32, 0, 100 << 10, 512, 1, 0.25, "shared memory"},
                                            {"rtx4090", 32, 0, 0, 256, 6, 1, "warps"},
                                            {"rtx4090", 48, 0, 0, 256, 5, 5.0 / 6, "registers"},
                                            {"rtx5090", 32, 0, 48 << 10, 256, 2, 1.0 / 3, "shared memory"},
                                            {"rtx4090", 32, 0, 100 << 10, 256, 0, 0, "shared memory"}}) {
    const auto o = occupancy(find_gpu(c.gpu), c.registers, c.shared, c.dynamic, c.threads);
    ASSERT_TRUE(o);
    EXPECT_EQ(o->blocks, c.blocks) << c.gpu << " " << c.registers << " " << c.threads;
    EXPECT_DOUBLE_EQ(o->fraction, c.fraction) << c.gpu << " " << c.registers << " " << c.threads;
    EXPECT_STREQ(o->limit, c.limit) << c.gpu << " " << c.registers << " " << c.threads;
  }
}

}  // namespace
}  // namespace cuelbo::test
