#include "kernels/cpu_tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace cuelbo::kernels {
namespace {

TEST(Cpu, TheLastPathIsBaseline) {
  ASSERT_FALSE(cpu_tables().empty());
  EXPECT_STREQ(cpu_tables().back().name, "baseline");
}

TEST(Cpu, EveryTableIsComplete) {
  // A table is nothing but kernels, each of which begins with its launch.
  constexpr std::size_t words = sizeof(KernelTable) / sizeof(void*);
  constexpr std::size_t words_of_kernel = sizeof(Kernel<Fill>) / sizeof(void*);
  for (const CpuPath& path : cpu_tables())
    for (const Precision precision : {Precision::fp32, Precision::bf16}) {
      std::vector<std::uintptr_t> functions(words);
      std::memcpy(functions.data(), &path.table(precision), sizeof(KernelTable));
      for (std::size_t i = 0; i < words; i += words_of_kernel)
        EXPECT_NE(functions[i], 0U) << path.name << ", kernel " << i / words_of_kernel;
    }
}

TEST(Cpu, FindsPathsByName) {
  for (const CpuPath& path : cpu_tables()) EXPECT_EQ(find_cpu_path(path.name).table, path.table);
}

TEST(Cpu, AnUnknownPathIsAnErrorThatNamesTheUsableOnes) {
  try {
    find_cpu_path("avx1024");
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith("CUELBO_ISA: unknown instruction set avx1024; usable here: "));
    EXPECT_THAT(error.what(), testing::EndsWith("baseline"));
  }
}

}  // namespace
}  // namespace cuelbo::kernels
