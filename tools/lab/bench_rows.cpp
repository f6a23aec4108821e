#include "tools/lab/bench_rows.hpp"

#include <fmt/format.h>

#include "tools/lab/profile.hpp"
#include "tools/lab/select.hpp"
#include "tools/lab/shape_json.hpp"

namespace cuelbo::lab {

namespace {

using Json = nlohmann::ordered_json;

constexpr double drifted = 1.05;  // from there on a row says so

Json about(const BenchedCall& call) {
  const KernelVariant& v = call.variant;
  return {{"kernel", v.kernel},
          {"variant", v.name},
          {"precision", name_of(v.precision)},
          {"library", v.library.empty() ? Json() : Json(v.library)},
          {"shape", to_json(call.shape)},
          {"command", call.command}};
}

void add(Json& json, const std::optional<MainKernel>& compiled) {
  if (!compiled) return;
  json["registers"] = compiled->registers;
  json["local_bytes"] = compiled->local_bytes;
  json["occupancy"] = compiled->occupancy;
}

std::string percent(std::optional<double> fraction) {
  return fraction ? fmt::format("{:.0f} %", 100 * *fraction) : "–";
}
std::optional<double> over(std::optional<double> seconds, double measured) {
  return seconds ? std::optional(*seconds / measured) : std::nullopt;
}
std::optional<double> occupancy(const std::optional<MainKernel>& compiled) {
  return compiled ? std::optional(compiled->occupancy) : std::nullopt;
}
std::string registers(const std::optional<MainKernel>& compiled) {
  return compiled ? std::to_string(compiled->registers) : "–";
}

double ratio(std::int64_t a, std::int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

}  // namespace

Json to_json(const TimedRow& row) {
  Json json = about(row.call);
  if (!row.error.empty()) {
    json["error"] = row.error;
    return json;
  }
  const Measurement& m = row.measured;
  json.update({{"seconds", m.seconds},
               {"quartiles", {m.first_quartile, m.third_quartile}},
               {"p90_seconds", m.p90},
               {"p99_seconds", m.p99},
               {"drift", m.drift},
               {"samples", m.samples},
               {"launches_per_sample", m.launches},
               {"memory_bytes", row.memory_bytes},
               {"gigabytes_per_second", 1e-9 * row.call.cost.bytes / m.seconds},
               {"gigaflops", 1e-9 * row.call.cost.flops / m.seconds}});
  if (row.floor_seconds) json["of_roofline"] = *row.floor_seconds / m.seconds;
  if (row.library_seconds) json["of_library"] = *row.library_seconds / m.seconds;
  add(json, row.compiled);
  if (!row.counters.empty()) json["counters"] = row.counters;
  return json;
}

void print_timed_header() {
  fmt::print("  {:<16} {:>10} {:>10} {:>10} {:>9} {:>10} {:>9} {:>8} {:>5} {:>10}\n", "variant", "p50, µs",
             "p90", "p99", "GB/s", "GFLOP/s", "roofline", "library", "regs", "occupancy");
}

void print(const TimedRow& row) {
  if (!row.error.empty()) {
    fmt::print("  {:<16} {}\n", row.call.variant.name, row.error);
    return;
  }
  const Measurement& m = row.measured;
  fmt::print("  {:<16} {:>10.2f} {:>10.2f} {:>10.2f} {:>9.1f} {:>10.1f} {:>9} {:>8} {:>5} {:>10}{}\n",
             row.call.variant.name, 1e6 * m.seconds, 1e6 * m.p90, 1e6 * m.p99,
             1e-9 * row.call.cost.bytes / m.seconds, 1e-9 * row.call.cost.flops / m.seconds,
             percent(over(row.floor_seconds, m.seconds)), percent(over(row.library_seconds, m.seconds)),
             registers(row.compiled), percent(occupancy(row.compiled)),
             m.drift > drifted
                 ? fmt::format("  slowed down by {:.0f} % while it was measured: the clock may have fallen",
                               100 * (m.drift - 1))
                 : "");
  if (row.counters.empty()) return;
  fmt::print("  {:<16}", "");
  for (const auto& [name, value] : row.counters) fmt::print(" {} {:.0f}", name, value);
  fmt::print("\n");
}

Json to_json(const CountedRow& row) {
  Json json = about(row.call);
  const simt::AccessProfile s = totals(row.profile);
  json["counted"] = {{"loaded_bytes", row.profile.loaded},
                     {"stored_bytes", row.profile.stored},
                     {"least_loaded_bytes", row.profile.must_load},
                     {"least_stored_bytes", row.profile.must_store},
                     {"requests", s.requests},
                     {"divergent_requests", s.divergent},
                     {"sectors", s.sectors},
                     {"ideal_sectors", s.ideal_sectors},
                     {"wavefronts", s.wavefronts},
                     {"ideal_wavefronts", s.ideal_wavefronts},
                     {"serialized_lanes", s.serialized}};
  json["bound"] = {{"gpu", row.gpu->name},
                   {"least_seconds", row.bound.seconds()},
                   {"floor_seconds", row.floor_seconds},
                   {"because_of", row.bound.busiest().resource}};
  add(json, row.compiled);
  return json;
}

void print_counted_header() {
  fmt::print("  {:<16} {:>12} {:>9} {:>10} {:>8} {:>10} {:>5} {:>10} {:>12} {:>7}  {}\n", "variant",
             "moved, kB", "of least", "requests", "sectors", "wavefronts", "regs", "occupancy",
             "at least, µs", "floor", "because of");
}

void print(const CountedRow& row) {
  const simt::AccessProfile s = totals(row.profile);
  const std::int64_t moved = row.profile.loaded + row.profile.stored;
  fmt::print("  {:<16} {:>12.1f} {:>8.2f}× {:>10} {:>8} {:>10} {:>5} {:>10} {:>12.3g} {:>6.1f}×  {}\n",
             row.call.variant.name, 1e-3 * static_cast<double>(moved),
             static_cast<double>(moved) / row.call.cost.bytes, s.requests,
             s.sectors == 0 ? "–" : percent(ratio(s.ideal_sectors, s.sectors)),
             s.ideal_wavefronts == 0 ? "–" : fmt::format("{:.2f}×", ratio(s.wavefronts, s.ideal_wavefronts)),
             registers(row.compiled), percent(occupancy(row.compiled)), 1e6 * row.bound.seconds(),
             row.bound.seconds() / row.floor_seconds, row.bound.busiest().resource);
}

}  // namespace cuelbo::lab
