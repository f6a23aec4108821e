// Planning and replay.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/plan.hpp"
#include "engine/program.hpp"
#include "kernels/runtime/floating_point.hpp"

namespace cuelbo {

namespace {

constexpr std::int64_t arena_alignment = 256;  // bytes; what cudaMalloc gives

std::int64_t round_up(std::int64_t n) {
  return (n + arena_alignment - 1) / arena_alignment * arena_alignment;
}

}  // namespace

// Roots that live in the arena, and which of them take over the memory of another in place.
struct Program::Layout {
  std::vector<int> roots;           // tensor ids, in the order of creation
  std::vector<Lifetime> lifetimes;  // one a root, of the root alone
  std::vector<bool> persistent;     // one a root
  std::vector<int> storage;  // one a root: index of the root whose memory it uses, itself when it has its own
  std::vector<std::int64_t> offsets;  // one a root
  std::int64_t bytes = 0;
};

Program::Layout Program::layout() const {
  Layout layout;
  std::vector<int> index(tensors_.size(), -1);  // tensor id → position in layout.roots
  const int end = static_cast<int>(launches_.size());
  for (std::size_t id = 0; id < tensors_.size(); ++id) {
    const TensorInfo& t = tensors_[id];
    if (t.kind != Kind::computed && t.kind != Kind::input && t.kind != Kind::constant) continue;
    index[id] = static_cast<int>(layout.roots.size());
    layout.roots.push_back(static_cast<int>(id));
    layout.persistent.push_back(persistent(t));
    layout.lifetimes.push_back({.bytes = element_count(t.shape) * static_cast<std::int64_t>(sizeof(float)),
                                .first = persistent(t) ? 0 : end,
                                .last = persistent(t) ? end : -1});
  }

  const auto root_of = [&](int id) {
    return index[static_cast<std::size_t>(tensors_[static_cast<std::size_t>(id)].root)];
  };
  const auto for_each_use = [&](const Launch& launch, auto&& visit) {
    for (const int id : launch.inputs) visit(id);
    for (const int id : launch.outputs) visit(id);
    if (launch.workspace >= 0) visit(launch.workspace);
  };
  for (int step = 0; step < end; ++step)
    for_each_use(launches_[static_cast<std::size_t>(step)], [&](int id) {
      if (const int root = root_of(id); root >= 0) {
        Lifetime& life = layout.lifetimes[static_cast<std::size_t>(root)];
        life.first = std::min(life.first, step);
        life.last = std::max(life.last, step);
      }
    });

  // In place: the input dies where the output is born, and both are the same part of equally large memory.
  std::vector<Lifetime> merged = layout.lifetimes;
  std::vector<bool> given(layout.roots.size(), false);
  layout.storage.resize(layout.roots.size());
  for (std::size_t i = 0; i < layout.storage.size(); ++i) layout.storage[i] = static_cast<int>(i);
  for (int step = 0; step < end; ++step)
    for (const auto& [from, to] : launches_[static_cast<std::size_t>(step)].in_place) {
      const int in = root_of(from), out = root_of(to);
      if (in < 0 || out < 0 || in == out) continue;
      const Lifetime& dying = layout.lifetimes[static_cast<std::size_t>(in)];
      const Lifetime& born = layout.lifetimes[static_cast<std::size_t>(out)];
      const bool taken = layout.storage[static_cast<std::size_t>(out)] != out;
      const bool same_part =
          tensors_[static_cast<std::size_t>(from)].offset == tensors_[static_cast<std::size_t>(to)].offset;
      if (taken || given[static_cast<std::size_t>(in)] || dying.last != step || born.first != step ||
          dying.bytes != born.bytes || !same_part)
        continue;
      given[static_cast<std::size_t>(in)] = true;
      const int owner = layout.storage[static_cast<std::size_t>(in)];
      layout.storage[static_cast<std::size_t>(out)] = owner;
      Lifetime& life = merged[static_cast<std::size_t>(owner)];
      life.last = std::max(life.last, born.last);
    }

  std::vector<Lifetime> owners;
  std::vector<std::size_t> position(layout.roots.size());
  for (std::size_t i = 0; i < layout.roots.size(); ++i) {
    const bool used = merged[i].first <= merged[i].last;
    if (layout.storage[i] != static_cast<int>(i) || !used) continue;
    position[i] = owners.size();
    owners.push_back(merged[i]);
  }
  const ArenaPlan plan = plan_arena(owners, arena_alignment);
  layout.bytes = plan.bytes;
  layout.offsets.assign(layout.roots.size(), -1);
  for (std::size_t i = 0; i < layout.roots.size(); ++i) {
    const auto owner = static_cast<std::size_t>(layout.storage[i]);
    if (merged[owner].first <= merged[owner].last) layout.offsets[i] = plan.offsets[position[owner]];
  }
  return layout;
}

void Program::plan() {
  if (options_.mode == Mode::eager) fail("an eager program has no plan: its launches have run already");
  if (planned_) fail("the program was already planned");
  const Layout layout = this->layout();
  planned_ = true;
  arena_bytes_ = layout.bytes;
  arena_ = DeviceMemory(*device_, static_cast<std::size_t>(layout.bytes));
  for (std::size_t i = 0; i < layout.roots.size(); ++i) {
    if (layout.offsets[i] < 0) continue;
    const auto id = static_cast<std::size_t>(layout.roots[i]);
    addresses_[id] = arena_.data() + layout.offsets[i];
    if (tensors_[id].kind != Kind::constant) continue;
    const std::vector<float> values = std::exchange(tensors_[id].values, {});
    device_->upload(addresses_[id], values.data(), values.size() * sizeof(float));
  }
  for (std::size_t id = 0; id < tensors_.size(); ++id) bind(static_cast<int>(id));
  const kernels::DefaultFloatingPoint mode;
  for (const auto& prepare : std::exchange(preparations_, {})) prepare(addresses_of(-1), device_->stream());
}

// Gives a tensor its address, when that follows from something else.
void Program::bind(int id) {
  const TensorInfo& t = tensors_[static_cast<std::size_t>(id)];
  std::byte*& address = addresses_[static_cast<std::size_t>(id)];
  const auto at = [](std::byte* base, std::int64_t elements) {
    return base == nullptr ? nullptr : base + elements * static_cast<std::int64_t>(sizeof(float));
  };
  switch (t.kind) {
    case Kind::parameter: {
      const Parameter& p = parameters_->parameter(t.parameter);
      float* flat = p.trained ? parameters_->trained(p.group) : parameters_->states();
      address = at(reinterpret_cast<std::byte*>(flat), p.offset);
      break;
    }
    case Kind::step_values: address = at(step_memory_.data(), t.offset); break;
    case Kind::view:
      bind(t.root);
      address = at(addresses_[static_cast<std::size_t>(t.root)], t.offset);
      break;
    case Kind::computed:
    case Kind::input:
    case Kind::constant: break;
  }
}

void Program::upload_step_values() {
  device_->upload(step_memory_.data(), step_bytes_.data(), step_bytes_.size());
}

Addresses Program::addresses_of(int workspace) const {
  Addresses at;
  at.addresses_ = addresses_.data();
  at.step_ = reinterpret_cast<const kernels::StepCounter*>(step_memory_.data());
  at.workspace_ = workspace >= 0 ? addresses_[static_cast<std::size_t>(workspace)] : nullptr;
  return at;
}

void Program::run_launch(const Launch& launch) {
  launch.run(addresses_of(launch.workspace), device_->stream());
}

void Program::replay() {
  if (!planned_) fail("the program must be planned before it is replayed");
  for (Prefetched& p : prefetched_)
    if (std::exchange(p.begun, false)) p.copy->finish(addresses_[static_cast<std::size_t>(p.id)]);
  upload_step_values();
  const kernels::DefaultFloatingPoint mode;
  const auto run_all = [this] {
    for (const Launch& launch : launches_) run_launch(launch);
  };
  // The addresses of a planned program do not change, so one capture serves all steps.
  if (!captured_) {
    graph_ = device_->capture(run_all);
    captured_ = true;
  }
  if (graph_ != nullptr) {
    graph_->launch();
  } else {
    run_all();
  }
}

std::string Program::find_non_finite() {
  if (!planned_) fail("the program must be planned before it is searched for NaN");
  upload_step_values();
  const kernels::DefaultFloatingPoint mode;
  for (const Launch& launch : launches_) {
    run_launch(launch);
    for (const int id : launch.outputs) {
      const Tensor t(*this, id);
      std::vector<float> values(static_cast<std::size_t>(t.size()));
      device_->synchronize();
      device_->download(values.data(), addresses_[static_cast<std::size_t>(id)],
                        values.size() * sizeof(float));
      if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }))
        return fmt::format("{} ({})", launch.name, t.name());
    }
  }
  return {};
}

void Program::set_step_values(Tensor t, std::span<const float> values) {
  check_mine(t, "set_step_values");
  const TensorInfo& into = info(t);
  if (into.kind != Kind::step_values || std::ssize(values) != t.size())
    fail("'{}' {} does not take {} step values", into.name, to_string(into.shape), values.size());
  std::memcpy(&step_bytes_[static_cast<std::size_t>(into.offset) * sizeof(float)], values.data(),
              values.size_bytes());
}

std::byte* Program::ready_address(Tensor t, std::size_t elements, const char* verb) {
  check_mine(t, verb);
  if (static_cast<std::int64_t>(elements) != t.size())
    fail("cannot {} {} values: '{}' has shape {}", verb, elements, t.name(), to_string(t.shape()));
  if (options_.mode == Mode::eager) bind(t.id());
  std::byte* address = addresses_[static_cast<std::size_t>(t.id())];
  if (address == nullptr)
    fail("cannot {} '{}': it has no memory yet, or is not used by the program", verb, t.name());
  return address;
}

std::byte* Program::input_address(Tensor t, std::size_t elements) {
  std::byte* address = ready_address(t, elements, "write");
  if (tensors_[static_cast<std::size_t>(info(t).root)].kind != Kind::input)
    fail("cannot write '{}': it is not an input", t.name());
  return address;
}

void Program::upload(Tensor t, const void* values, std::size_t elements) {
  device_->upload(input_address(t, elements), values, elements * sizeof(float));
}

void Program::prefetch(Tensor t, std::span<const float> values) {
  if (!planned_) fail("the program must be planned before '{}' is prefetched", t.name());
  input_address(t, values.size());
  auto p = std::ranges::find(prefetched_, t.id(), &Prefetched::id);
  if (p == prefetched_.end())
    p = prefetched_.insert(p, {.id = t.id(), .copy = device_->prefetch(values.size_bytes())});
  p->copy->begin(values.data());
  p->begun = true;
}

void Program::write(Tensor t, std::span<const float> values) { upload(t, values.data(), values.size()); }

void Program::write_int(Tensor t, std::span<const std::int32_t> values) {
  upload(t, values.data(), values.size());
}

void Program::read(Tensor t, std::span<float> values) {
  const std::byte* address = ready_address(t, values.size(), "read");
  if (options_.mode == Mode::planned && !persistent(tensors_[static_cast<std::size_t>(info(t).root)]))
    fail("cannot read '{}': its memory serves other tensors too, keep it before the program is planned",
         t.name());
  device_->synchronize();
  device_->download(values.data(), address, values.size_bytes());
}

std::vector<float> Program::read(Tensor t) {
  std::vector<float> values(static_cast<std::size_t>(t.size()));
  read(t, values);
  return values;
}

float Program::read_scalar(Tensor t) {
  float value = 0;
  read(t, std::span<float>(&value, 1));
  return value;
}

std::vector<Program::Placement> Program::placements() const {
  const Layout layout = this->layout();
  std::vector<Placement> placements;
  for (std::size_t i = 0; i < layout.roots.size(); ++i) {
    const TensorInfo& t = tensors_[static_cast<std::size_t>(layout.roots[i])];
    const Lifetime& life = layout.lifetimes[i];
    const bool shares = layout.storage[i] != static_cast<int>(i);
    placements.push_back({.name = t.name,
                          .shape = t.shape,
                          .bytes = life.bytes,
                          .offset = layout.offsets[i],
                          .first = life.first,
                          .last = life.last,
                          .persistent = layout.persistent[i],
                          .shares_with = shares ? layout.storage[i] : -1});
  }
  return placements;
}

std::int64_t Program::unshared_bytes() const {
  std::int64_t bytes = 0;
  for (const Placement& p : placements())
    if (p.offset >= 0) bytes += round_up(p.bytes);
  return bytes;
}

std::string Program::plan_table() const {
  std::string table =
      fmt::format("{:<48} {:<22} {:>12} {:>12}  {}\n", "tensor", "shape", "bytes", "offset", "launches");
  for (const Placement& p : placements()) {
    if (p.offset < 0) continue;
    const std::string life = p.persistent ? "always" : fmt::format("{}-{}", p.first, p.last);
    table += fmt::format("{:<48} {:<22} {:>12} {:>12}  {}{}\n", p.name, to_string(p.shape), p.bytes, p.offset,
                         life, p.shares_with >= 0 ? " in place" : "");
  }
  table += fmt::format("{} launches, arena {} bytes, without sharing {} bytes\n", launches_.size(),
                       layout().bytes, unshared_bytes());
  return table;
}

}  // namespace cuelbo
