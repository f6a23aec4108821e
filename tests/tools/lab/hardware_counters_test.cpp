// Parsing the output of ncu.
#include "tools/lab/hardware_counters.hpp"

#include <gmock/gmock.h>

#include "tests/support/error_checks.hpp"

namespace cuelbo::test {
namespace {

// As ncu --csv --page raw --print-units base prints it: names, units, a row for each kernel.
const std::string header =
    "==PROF== Connected to process 42 (/bin/cuelbo)\n"
    "linear_forward/tiled on cuda\n"
    "==PROF== Disconnected from process 42\n"
    R"("ID","Kernel Name","dram__bytes.sum","lts__t_bytes.sum","l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum",)"
    R"("l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum","l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",)"
    R"("l1tex__t_requests_pipe_lsu_mem_global_op_st.sum","l1tex__data_pipe_lsu_wavefronts_mem_shared.sum")"
    "\n"
    R"("","","byte","byte","sector","","sector","","")"
    "\n";
const std::string first = R"x("0","f<1, 2>(int)","1,024","4096","400","100","80","20","7")x"
                          "\n";
const std::string second = R"x("1","g()","1","2","3","4","5","6","7.5")x"
                           "\n";

TEST(HardwareCounters, AreSumsOverTheKernelsOfACall) {
  const lab::HardwareCounters counters = lab::parse_ncu(header + first + second);
  EXPECT_EQ(counters.at("dram_bytes"), 1025);
  EXPECT_EQ(counters.at("l2_bytes"), 4098);
  EXPECT_EQ(counters.at("global_load_sectors"), 403);
  EXPECT_EQ(counters.at("global_load_requests"), 104);
  EXPECT_EQ(counters.at("global_store_sectors"), 85);
  EXPECT_EQ(counters.at("global_store_requests"), 26);
  EXPECT_EQ(counters.at("shared_wavefronts"), 14.5);
}

TEST(HardwareCounters, OutputThatIsSomethingElseIsAnError) {
  EXPECT_TRUE(fails_with<Error>([] { lab::parse_ncu(""); }, "no kernel"));
  EXPECT_TRUE(fails_with<Error>([] { lab::parse_ncu(header); }, "no kernel"));
  EXPECT_TRUE(fails_with<Error>([] { lab::parse_ncu(header + "\"0\",\"f\"\n"); }, "2 fields of 9"));
  std::string word = header + first;
  word.replace(word.find("4096"), 4, "n/a!");
  EXPECT_TRUE(fails_with<Error>([&] { lab::parse_ncu(word); }, "'n/a!' is not a number"));
  std::string missing = header + first;
  missing.replace(missing.find("dram__bytes.sum"), 4, "hbm2");
  EXPECT_TRUE(fails_with<Error>([&] { lab::parse_ncu(missing); }, "'dram__bytes.sum' is not among"));
}

}  // namespace
}  // namespace cuelbo::test
