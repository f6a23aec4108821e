#include "tools/lab/hardware_counters.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <vector>

#include "engine/error.hpp"
#include "tools/lab/compiled/compiled_kernels.hpp"
#include "tools/lab/run_program.hpp"

namespace cuelbo::lab {

namespace {

struct Metric {
  const char *name, *ncu;
};
constexpr std::array metrics{
    Metric{"dram_bytes", "dram__bytes.sum"},
    Metric{"l2_bytes", "lts__t_bytes.sum"},
    Metric{"global_load_sectors", "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"},
    Metric{"global_load_requests", "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum"},
    Metric{"global_store_sectors", "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"},
    Metric{"global_store_requests", "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum"},
    Metric{"shared_wavefronts", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"},
};

// A line of comma-separated values, each in quotes or not.
std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else if (c != '\r')
      fields.back() += c;
  }
  return fields;
}

// "1,234,567"
double number(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c != ',') digits += c;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    fail("ncu: '{}' is not a number", text);
  return value;
}

}  // namespace

HardwareCounters parse_ncu(std::string_view text) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    // ncu's own lines begin with ==, and the program's output is mixed in.
    if (const std::string_view line = text.substr(begin, end - begin); line.starts_with('"'))
      rows.push_back(csv_fields(line));
    begin = end + 1;
  }
  if (rows.size() < 3) fail("ncu: it profiled no kernel");  // names, units, kernels
  HardwareCounters counters;
  for (std::size_t column = 0; column < rows[0].size(); ++column)
    for (const Metric& metric : metrics)
      if (rows[0][column] == metric.ncu)
        for (std::size_t row = 2; row < rows.size(); ++row) {
          if (rows[row].size() != rows[0].size())
            fail("ncu: a row has {} fields of {}", rows[row].size(), rows[0].size());
          counters[metric.name] += number(rows[row][column]);
        }
  for (const Metric& metric : metrics)
    if (!counters.contains(metric.name)) fail("ncu: '{}' is not among what it counted", metric.ncu);
  return counters;
}

HardwareCounters count_in_hardware(const std::string& kernel_variant, const Shape& shape,
                                   const std::string& device) {
  const std::filesystem::path ncu = find_cuda_program("ncu");
  if (ncu.empty())
    fail("--counters: ncu, which reads a GPU's counters, was not found; it comes with Nsight Compute");
  std::string names;
  for (const Metric& metric : metrics) names += std::string(names.empty() ? "" : ",") + metric.ncu;
  const ProgramOutput done =
      run_program({ncu.string(), "--csv", "--page", "raw", "--print-units", "base", "--metrics", names,
                   std::filesystem::read_symlink("/proc/self/exe").string(), "kernels", "run", kernel_variant,
                   "--device", device, "--shape", to_string(shape)});
  // Counters need a permission that administrators give.
  if (const std::size_t at = (done.out + done.err).find("ERR_NVGPUCTRPERM"); at != std::string::npos)
    fail("--counters: this user may not read the GPU's counters (ERR_NVGPUCTRPERM)");
  if (done.code != 0) fail("ncu: {}", (done.err.empty() ? done.out : done.err).substr(0, 300));
  return parse_ncu(done.out);
}

}  // namespace cuelbo::lab
