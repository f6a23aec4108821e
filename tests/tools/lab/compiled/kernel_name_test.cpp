// One name for a kernel, whichever compiler it comes from.
#include "tools/lab/compiled/kernel_name.hpp"

#include <gtest/gtest.h>

namespace cuelbo::test {
namespace {

using namespace lab;

// As g++ 12 and nvcc 13.0 name the kernels of one file, kernel.cu.
TEST(KernelName, IsTheSameFromBothCompilers) {
  const char* const pairs[][2] = {
      {"_ZL5plainPf", "_Z5plainPf"},
      {"_ZN1xL5innerEPd", "_ZN1x5innerEPd"},
      {"c_kernel", "c_kernel"},
      {"_Z6chooseIL4Kind1ELb1EEvPK6float4PS1_", "_Z6chooseIL4Kind1ELb1EEvPK6float4PS1_"},
      {"_ZN12_GLOBAL__N_16hiddenINS_2OpELj3EEEvPfT_",
       "_ZN46_GLOBAL__N__5005d5eb_13_compiled_s_cu_c_kernel6hiddenINS_2OpELj3EEEvPfT_"},
      {"_ZL5plainPf", "__nv_static_35__5005d5eb_13_compiled_s_cu_c_kernel__Z5plainPf"},
  };
  for (const auto& [host, device] : pairs) EXPECT_EQ(kernel_name(host), kernel_name(device)) << device;
  EXPECT_EQ(kernel_name("_ZL5plainPf"), "plain(float*)");
  EXPECT_NE(kernel_name("_Z6chooseIL4Kind1ELb1EEvPK6float4PS1_"),
            kernel_name("_Z6chooseIL4Kind1ELb0EEvPK6float4PS1_"));
}

TEST(KernelName, TheFileTellsHiddenKernelsOfOneNameApart) {
  EXPECT_EQ(file_of("_ZN46_GLOBAL__N__5005d5eb_13_compiled_s_cu_c_kernel6hiddenINS_2OpELj3EEEvPfT_"),
            "compiled_s");
  EXPECT_EQ(
      file_of("_ZN6cuelbo7kernels4cuda21for_each_flat_elementINS1_47_GLOBAL__N__9424fd76_14_elementwise_cu_"
              "de7467d513CopyColumnsAtEEEvllT_"),
      "elementwise");
  EXPECT_EQ(file_of("__nv_static_35__5005d5eb_13_compiled_s_cu_c_kernel__Z5plainPf"), "compiled_s");
  EXPECT_EQ(file_of("_Z5plainPf"), "");
  for (const char* const broken :
       {"_GLOBAL__N__", "_GLOBAL__N__5005d5eb", "_GLOBAL__N__5005d5eb_", "_GLOBAL__N__5005d5eb_99_x",
        "__nv_static_", "__nv_static_5", "__nv_static_5__", "__nv_static_5__a_9"})
    EXPECT_EQ(file_of(broken), "") << broken;
}

TEST(KernelName, IsShortForReaders) {
  EXPECT_EQ(short_name("plain(float*)"), "plain");
  EXPECT_EQ(short_name("x::y::inner(unsigned long, int (*)(int))"), "inner");
  EXPECT_EQ(
      short_name("void a::(anonymous namespace)::hidden<a::(anonymous namespace)::Op, 3u>(float*, a::Op)"),
      "hidden<Op, 3u>");
  EXPECT_EQ(short_name("void f<a::tile<b::One, 4>::shape, (a::Kind)1, a::t<a::u<int> > >(long)"),
            "f<shape, (Kind)1, t<u<int>>>");
  EXPECT_EQ(short_name("void h<go(float*)::{lambda(float)#1}, 4u>(float*, go(float*)::{lambda(float)#1})"),
            "h<{lambda#1}, 4u>");
  EXPECT_EQ(short_name("c_kernel"), "c_kernel");
}

__attribute__((noinline)) static void a_hidden_function() { asm volatile(""); }

TEST(KernelName, HiddenFunctionsHaveASymbolAndTheirFile) {
  const Symbol symbol = symbol_of(reinterpret_cast<const void*>(&a_hidden_function));
  EXPECT_EQ(kernel_name(symbol.symbol), "cuelbo::test::(anonymous namespace)::a_hidden_function()");
  EXPECT_EQ(symbol.file, "kernel_name_test");
}

}  // namespace
}  // namespace cuelbo::test
