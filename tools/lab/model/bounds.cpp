#include "tools/lab/model/bounds.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/lab/select.hpp"

namespace cuelbo::lab {

namespace {

std::int64_t blocks_of(const simt::Launch& launch) {
  return std::int64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
}

// Multiprocessors that have a block while its largest launch runs, as a share of all.
double busy_share(const Gpu& gpu, std::span<const simt::Launch> launches) {
  std::int64_t blocks = 0;
  for (const simt::Launch& launch : launches) blocks = std::max(blocks, blocks_of(launch));
  return launches.empty() ? 1 : std::min(1.0, static_cast<double>(blocks) / gpu.multiprocessors);
}

std::string scaled(double x) {
  constexpr const char* prefixes[] = {"", " k", " M", " G", " T", " P"};
  std::size_t i = 0;
  for (; x >= 1000 && i + 1 < std::size(prefixes); ++i) x /= 1000;
  return x >= 100 ? fmt::format("{:.0f}{}", x, prefixes[i]) : fmt::format("{:.3g}{}", x, prefixes[i]);
}

}  // namespace

const Term& Bound::busiest() const {
  return *std::ranges::max_element(terms, {}, [](const Term& t) { return t.seconds(); });
}

Bound floor(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision) {
  return {{{"memory", cost.bytes, gpu.memory_bandwidth, "B"},
           {name_of(precision), cost.flops, gpu.peak(precision), "FLOP"},
           {"special functions", cost.special, gpu.special_functions(), ""}}};
}

double load_store_cycles(const simt::AccessProfile& access) {
  if (!access.shared)
    return std::max(static_cast<double>(access.requests), static_cast<double>(access.sectors) / 4);
  // Parts of a warp that read the same words by wide loads may be served together, which wavefronts do not tell.
  return static_cast<double>(access.wavefronts) / (access.bytes > 4 ? 2 : 1);
}

Bound bound(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision,
            const simt::Profile& profile, std::span<const simt::Launch> launches) {
  Bound result = floor(gpu, cost, precision);
  const double share = busy_share(gpu, launches);
  for (Term& term : result.terms)
    if (term.resource != "memory") term.rate *= share;
  const auto distinct = static_cast<double>(profile.must_load + profile.must_store);
  result.terms[0].work += std::max(0.0, distinct - cost.bytes - 2 * gpu.cache_bytes);
  result.terms.push_back(
      {"L2", static_cast<double>(profile.must_load + profile.stored), gpu.cache_bandwidth() * share, "B"});
  double cycles = 0;
  for (const simt::AccessProfile& access : profile.lines) cycles += load_store_cycles(access);
  result.terms.push_back({"load/store units", cycles, gpu.wavefronts() * share, "cycles"});
  return result;
}

double intensity(const kernels::Cost& cost) { return cost.flops / cost.bytes; }

std::string describe(const Term& term) {
  const std::string amount = scaled(term.work);
  const bool prefixed = amount.find(' ') != std::string::npos;
  return fmt::format("{}: {}{}{} at {}{}/s", term.resource, amount, *term.unit == '\0' || prefixed ? "" : " ",
                     term.unit, scaled(term.rate), term.unit);
}

}  // namespace cuelbo::lab
