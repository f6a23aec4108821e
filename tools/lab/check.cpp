#include "tools/lab/check.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "tools/lab/normality.hpp"

namespace cuelbo::lab {

namespace {

constexpr std::size_t guard_bytes = 256;
constexpr std::byte sentinel{0xa5};
constexpr std::byte not_a_number{0xff};

// The buffers of a call and its workspace, each with a copy on the host, between guards. The device that sees an access
// outside of allocated memory needs none.
class Memory {
 public:
  Memory(Device& device, std::vector<Buffer> buffers, std::size_t workspace_bytes, std::size_t misalignment)
      : device_(device), buffers_(std::move(buffers)) {
    buffers_.push_back({.name = "workspace",
                        .role = Role::output,
                        .dims = {static_cast<std::int64_t>((workspace_bytes + 3) / 4)}});
    const std::size_t guard = device.name() == "simt-checked" ? 0 : guard_bytes;
    for (const Buffer& buffer : buffers_) {
      const bool shifted = buffer.type == Type::f32 && buffer.name != "workspace";
      Piece& piece = pieces_.emplace_back();
      piece.begin = guard + (shifted ? misalignment : 0);
      piece.host.assign(std::max<std::size_t>(piece.begin + buffer.bytes() + guard, 1), sentinel);
      piece.memory = DeviceMemory(device, piece.host.size());
      std::memset(piece.host.data() + piece.begin, static_cast<int>(not_a_number), buffer.bytes());
    }
  }

  const std::vector<Buffer>& buffers() const { return buffers_; }
  std::byte* host(std::size_t i) { return pieces_[i].host.data() + pieces_[i].begin; }
  void* workspace() const { return pieces_.back().memory.data() + pieces_.back().begin; }
  std::map<std::string, void*> addresses() const {
    std::map<std::string, void*> result;
    for (std::size_t i = 0; i + 1 < buffers_.size(); ++i)
      result[buffers_[i].name] = pieces_[i].memory.data() + pieces_[i].begin;
    return result;
  }

  void upload() {
    for (Piece& piece : pieces_) {
      piece.before = piece.host;
      device_.upload(piece.memory.data(), piece.host.data(), piece.host.size());
    }
  }
  void download() {
    for (Piece& piece : pieces_) device_.download(piece.host.data(), piece.memory.data(), piece.host.size());
  }

  // The first wrong write outside the outputs; empty if there is none.
  std::string wrong_write() const {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
      const Piece& piece = pieces_[i];
      const Buffer& buffer = buffers_[i];
      const std::size_t end = piece.begin + buffer.bytes();
      for (std::size_t b = 0; b < piece.begin; ++b)
        if (piece.host[b] != sentinel)
          return fmt::format("writes {} bytes in front of '{}'", piece.begin - b, buffer.name);
      for (std::size_t b = end; b < piece.host.size(); ++b)
        if (piece.host[b] != sentinel)
          return fmt::format("writes {} bytes behind '{}'", b - end, buffer.name);
      if (buffer.role == Role::input && piece.host != piece.before)
        return fmt::format("changes its input '{}'", buffer.name);
    }
    return {};
  }

 private:
  struct Piece {
    std::size_t begin = 0;  // of the buffer
    std::vector<std::byte> host, before;
    DeviceMemory memory;
  };

  Device& device_;
  std::vector<Buffer> buffers_;
  std::vector<Piece> pieces_;
};

std::vector<double> values(const Buffer& buffer, bool integers, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<double> v(static_cast<std::size_t>(buffer.count()));
  const Fill& fill = buffer.fill;
  double index = 0;
  for (double& x : v) {
    switch (fill.kind) {
      case Fill::Kind::normal:
        // −3 … 3: sums of products stay exact in fp32.
        x = integers ? static_cast<double>(generator() % 7) - 3
                     : fill.scale * normal(generator) + fill.offset;
        break;
      case Fill::Kind::uniform: x = fill.scale * uniform(generator) + fill.offset; break;
      case Fill::Kind::probabilities: x = std::exp(normal(generator)); break;
      case Fill::Kind::constant: x = fill.scale; break;
      case Fill::Kind::index: x = index++; break;
    }
  }
  if (fill.kind == Fill::Kind::probabilities) {
    const auto row = static_cast<std::size_t>(fill.row);
    for (std::size_t begin = 0; begin < v.size(); begin += row) {
      double sum = 0;
      for (std::size_t i = begin; i < begin + row; ++i) sum += v[i];
      for (std::size_t i = begin; i < begin + row; ++i) v[i] /= sum;
    }
  }
  return v;
}

template <class T>
void store(std::byte* to, const std::vector<double>& from) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const T value = static_cast<T>(from[i]);
    std::memcpy(to + i * sizeof(T), &value, sizeof(T));
  }
}
void store(std::byte* to, const Buffer& buffer, const std::vector<double>& from) {
  switch (buffer.type) {
    case Type::f32: store<float>(to, from); break;
    case Type::i32: store<std::int32_t>(to, from); break;
    case Type::u64: store<std::uint64_t>(to, from); break;
  }
}

float load(const std::byte* from, std::size_t i) {
  float value = 0;
  std::memcpy(&value, from + i * sizeof(float), sizeof(float));
  return value;
}

// To nearest: bf16 ties to even, tf32 ties away from zero, as the conversion instructions do.
double to_bf16(double x) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x7fffU + (bits >> 16 & 1U)) & 0xffff0000U);
}
double to_tf32(double x) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(static_cast<float>(x)) + 0x1000U) & 0xffffe000U);
}

}  // namespace

CheckResult check(Device& device, const kernels::KernelTable& table, const KernelVariant& variant,
                  const Contract& contract, const Shape& shape, Inputs inputs) {
  Memory memory(device, contract.buffers(shape), contract.workspace(table, shape),
                inputs == Inputs::integers ? sizeof(float) : 0);
  const bool exact = inputs == Inputs::integers && contract.exact_on_integers();
  Doubles expected;
  const std::size_t count = memory.buffers().size() - 1;  // without the workspace
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer& buffer = memory.buffers()[i];
    std::vector<double>& v = expected[buffer.name];
    if (buffer.role == Role::output) {
      v.assign(static_cast<std::size_t>(buffer.count()), 0);
      continue;
    }
    v = values(buffer, exact, i + 1);
    // The reference computes with what fp32 holds.
    if (buffer.type == Type::f32)
      for (double& x : v) x = static_cast<double>(static_cast<float>(x));
  }
  contract.prepare(shape, expected);
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer& buffer = memory.buffers()[i];
    if (buffer.role != Role::output) store(memory.host(i), buffer, expected[buffer.name]);
  }

  memory.upload();
  CheckResult result;
  try {
    contract.launch(table, shape, memory.addresses(), memory.workspace(), device.stream());
    device.synchronize();
  } catch (const Error& error) {
    result.fault = error.what();
    return result;
  }
  memory.download();
  for (const Buffer& buffer : memory.buffers())
    if (buffer.factor && variant.precision != kernels::Precision::fp32)
      expected.round(buffer.name, variant.precision == kernels::Precision::bf16 ? to_bf16 : to_tf32);
  result.fault = memory.wrong_write();
  if (variant.own_noise) {
    for (std::size_t i = 0; i < count; ++i)
      if (memory.buffers()[i].role != Role::input)
        for (std::size_t k = 0; double& x : expected[memory.buffers()[i].name]) x = load(memory.host(i), k++);
    const double distance = normal_distance(contract.noise(shape, expected));
    if (result.fault.empty() && !(distance <= normal_distance_bound))
      result.fault = fmt::format("its noise is no standard normal: distance {:.3g}, of {:.3g} allowed",
                                 distance, normal_distance_bound);
    return result;
  }

  contract.reference(shape, expected);
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer& buffer = memory.buffers()[i];
    if (buffer.role == Role::input) continue;
    const std::byte* const actual = memory.host(i);
    result.outputs.insert(result.outputs.end(), actual, actual + buffer.bytes());
    const std::vector<double>& e = expected[buffer.name];
    for (std::size_t k = 0; k < e.size(); ++k) {
      const double a = load(actual, k), error = std::abs(a - e[k]) / (1 + std::abs(e[k]));
      if (a == e[k]) continue;
      if (error > result.error || std::isnan(error)) result.error = error;
      if (result.fault.empty() && ((exact && e[k] == std::round(e[k])) || !(error <= contract.tolerance())))
        result.fault = fmt::format("{}[{}] is {:.9g}, the reference {:.9g}{}", buffer.name, k, a, e[k],
                                   exact ? ", and integers are exact" : "");
    }
  }
  return result;
}

}  // namespace cuelbo::lab
