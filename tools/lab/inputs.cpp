#include "tools/lab/inputs.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "engine/error.hpp"

namespace cuelbo::lab {

namespace {

void normalise_rows(std::vector<double>& v, std::size_t row) {
  for (std::size_t begin = 0; begin < v.size(); begin += row) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + row; ++i) sum += v[i];
    for (std::size_t i = begin; i < begin + row; ++i) v[i] /= sum;
  }
}

// Up to three elements, so that the sums of some rows and columns stay finite.
void spoil(std::vector<double>& v, std::mt19937_64& generator) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double special[] = {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity};
  const std::size_t first = generator() % 3, count = 1 + generator() % 3;
  for (std::size_t i = 0; i < count && !v.empty(); ++i) v[generator() % v.size()] = special[(first + i) % 3];
}

template <class T>
void store_as(const std::vector<double>& values, std::span<std::byte> to) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(&to[i * sizeof(T)], &value, sizeof(T));
  }
}

template <class T>
std::vector<double> load_as(std::span<const std::byte> from) {
  std::vector<double> values(from.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value{};
    std::memcpy(&value, &from[i * sizeof(T)], sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

// Calls f with a value of the type.
template <class F>
auto with_type(Dtype type, F&& f) {
  switch (type) {
    case Dtype::f32: return f(float{});
    case Dtype::f64: return f(double{});
    case Dtype::i8: return f(std::int8_t{});
    case Dtype::u8: return f(std::uint8_t{});
    case Dtype::i16: return f(std::int16_t{});
    case Dtype::u16: return f(std::uint16_t{});
    case Dtype::i32: return f(std::int32_t{});
    case Dtype::u32: return f(std::uint32_t{});
    case Dtype::i64: return f(std::int64_t{});
    case Dtype::u64: return f(std::uint64_t{});
    default: fail("buffers of kernels hold no {}", dtype_name(type));
  }
}

}  // namespace

const char* name_of(Inputs inputs) {
  constexpr const char* names[] = {"real", "integers", "non_finite"};
  return names[static_cast<int>(inputs)];
}

std::vector<double> draw(const Buffer& buffer, Inputs inputs, std::uint64_t seed, std::size_t index) {
  std::mt19937_64 generator(1'000'003 * seed + index);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const Fill& fill = buffer.fill;
  std::vector<double> v(static_cast<std::size_t>(buffer.count()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    switch (fill.kind) {
      case Fill::Kind::normal:
        v[i] = inputs == Inputs::integers ? static_cast<double>(generator() % 7) - 3
                                          : fill.scale * normal(generator) + fill.offset;
        break;
      case Fill::Kind::uniform: v[i] = fill.scale * uniform(generator) + fill.offset; break;
      case Fill::Kind::integers: v[i] = std::floor(fill.scale * uniform(generator)) + fill.offset; break;
      case Fill::Kind::probabilities: v[i] = std::exp(normal(generator)); break;
      case Fill::Kind::constant: v[i] = fill.scale; break;
      case Fill::Kind::index: v[i] = static_cast<double>(i); break;
    }
  }
  if (fill.kind == Fill::Kind::probabilities) normalise_rows(v, static_cast<std::size_t>(fill.row));
  if (inputs == Inputs::non_finite && (fill.kind == Fill::Kind::normal || fill.kind == Fill::Kind::uniform))
    spoil(v, generator);
  if (buffer.type == Dtype::f32)
    for (double& x : v) x = static_cast<double>(static_cast<float>(x));
  return v;
}

void store(const Buffer& buffer, const std::vector<double>& values, std::span<std::byte> to) {
  with_type(buffer.type, [&]<class T>(T) { store_as<T>(values, to); });
}

std::vector<double> load(const Buffer& buffer, std::span<const std::byte> from) {
  return with_type(buffer.type, [&]<class T>(T) { return load_as<T>(from); });
}

}  // namespace cuelbo::lab
