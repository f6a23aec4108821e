#include "tools/lab/model/report.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tools/lab/select.hpp"

namespace cuelbo::lab {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Bound& bound) {
  Json terms = Json::object();
  for (const Term& t : bound.terms)
    terms[t.resource] = {{"seconds", t.seconds()}, {"work", t.work}, {"rate", t.rate}};
  return {{"seconds", bound.seconds()}, {"bound_by", bound.busiest().resource}, {"resources", terms}};
}

// The others, busiest first: "fp32 1.2 µs, memory 0.3 µs".
std::string others(const Bound& bound) {
  std::vector<const Term*> terms;
  for (const Term& t : bound.terms)
    if (&t != &bound.busiest() && t.work > 0) terms.push_back(&t);
  std::ranges::sort(terms, std::greater<>(), [](const Term* t) { return t->seconds(); });
  std::string text;
  for (const Term* t : terms)
    text += fmt::format("{}{} {:.3g} µs", text.empty() ? "" : ", ", t->resource, 1e6 * t->seconds());
  return text;
}

void print(const char* what, const Bound& bound) {
  const std::string rest = others(bound);
  fmt::print("  {:<22} {:>10.3g} µs  {}{}\n", what, 1e6 * bound.seconds(), describe(bound.busiest()),
             rest.empty() ? "" : " (" + rest + ")");
}

}  // namespace

ModelReport report_model(const Gpu& gpu, const kernels::Cost& cost, kernels::Precision precision,
                         const simt::Profile& profile, std::span<const simt::Launch> launches) {
  return {.gpu = &gpu,
          .cost = cost,
          .precision = precision,
          .floor = floor(gpu, cost, precision),
          .bound = bound(gpu, cost, precision, profile, launches)};
}

Json to_json(const ModelReport& r) {
  return {{"gpu", r.gpu->name},
          {"precision", name_of(r.precision)},
          {"compulsory_bytes", r.cost.bytes},
          {"flops", r.cost.flops},
          {"special_functions", r.cost.special},
          {"flops_per_byte", r.cost.bytes > 0 ? Json(intensity(r.cost)) : Json()},
          {"floor", to_json(r.floor)},
          {"bound", to_json(r.bound)}};
}

void print(const ModelReport& r) {
  fmt::print("{} by its data sheet ({} multiprocessors at {:.3g} GHz, {:.3g} TB/s), not measured:\n",
             r.gpu->title, r.gpu->multiprocessors, 1e-9 * r.gpu->clock, 1e-12 * r.gpu->memory_bandwidth);
  print("any variant, at least", r.floor);
  print("this one, at least", r.bound);
  const double ratio = r.bound.seconds() / r.floor.seconds();
  if (!(ratio >= 1.01))
    fmt::print("  its accesses leave it room down to the floor");
  else
    fmt::print("  it stays {:.3g} times above the floor because of {}", ratio, r.bound.busiest().resource);
  if (r.cost.flops > 0) fmt::print("; {:.3g} operations a byte", intensity(r.cost));
  fmt::print("\n");
}

}  // namespace cuelbo::lab
