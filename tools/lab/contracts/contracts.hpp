// The descriptions of all contracts. A description is a struct with the arguments `args`, describe(visit), which goes
// through their members, reference(doubles), prepare(doubles) if inputs depend on others, and noise(doubles) if outputs
// tell their noise. `measured` lists the shapes at which it is measured and `counted` is the one at which it is executed and
// counted; without them they have a count of elements.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// Each is defined beside its description, which is in the file of the operation's folder.
#define CUELBO_DECLARE(name, Args) std::unique_ptr<Contract> describe_##name();
CUELBO_CONTRACTS(CUELBO_DECLARE)
#undef CUELBO_DECLARE

struct ContractOptions {
  double tolerance = 1e-5;
  bool exact_on_integers = false;
  NonFinite non_finite = NonFinite::unspecified;
};

template <class Description>
class DescribedContract final : public Contract {
  using Args = decltype(Description::args);
  static constexpr auto kernel_ = kernels::kernel_of<Args>;

 public:
  DescribedContract(std::vector<Shape> shapes, ContractOptions options)
      : shapes_(std::move(shapes)), options_(options) {}

  std::string_view name() const override { return kernels::contract_name<Args>; }
  const std::vector<Shape>& checked_shapes() const override { return shapes_; }
  double tolerance() const override { return options_.tolerance; }
  bool exact_on_integers() const override { return options_.exact_on_integers; }
  NonFinite non_finite() const override { return options_.non_finite; }

  std::vector<const char*> measured() const override {
    if constexpr (requires { Description::measured; })
      return {std::begin(Description::measured), std::end(Description::measured)};
    else
      return {"count=4194304"};
  }
  std::string counted() const override {
    if constexpr (requires { Description::counted; })
      return Description::counted;
    else
      return complete({}).contains("count") ? "count=262144" : "";
  }

  Shape complete(const Shape& shape) const override {
    return in_context(name(), [&] {
      Description d;
      const Visit visit = describe(d, shape);
      std::vector<std::string> names;
      for (const auto& [key, value] : visit.used()) names.push_back(key);
      for (const auto& [key, value] : shape)
        if (!visit.used().contains(key))
          usage_fail("there is no size '{}'; there is {}", key, fmt::join(names, ", "));
      std::uint64_t bytes = 0;
      for (const Buffer& b : visit.buffers()) {
        bytes += static_cast<std::uint64_t>(element_count(b.dims, b.type)) * dtype_size(b.type);
        check_fits_in_memory(bytes);
      }
      return visit.used();
    });
  }
  std::vector<Buffer> buffers(const Shape& shape) const override {
    Description d;
    return describe(d, shape).buffers();
  }
  kernels::Cost cost(const Shape& shape) const override {
    Description d;
    std::map<std::string, void*> there;  // which operands there are decides; where they are does not
    for (const Buffer& b : buffers(shape)) there[b.name] = &d;
    describe(d, shape, &there);
    return kernels::cost(d.args);
  }
  std::size_t workspace(const kernels::KernelTable& table, const Shape& shape) const override {
    Description d;
    describe(d, shape);
    const auto& kernel = table.*kernel_;
    return kernel.workspace == nullptr ? 0 : kernel.workspace(d.args);
  }
  std::optional<std::int64_t> moved_bytes(const kernels::KernelTable& table,
                                          const Shape& shape) const override {
    const auto& kernel = table.*kernel_;
    if (kernel.moved_bytes == nullptr) return {};
    std::map<std::string, void*> addresses;  // that there are: nothing is accessed
    alignas(64) static std::byte anywhere[64];
    for (const Buffer& b : buffers(shape)) addresses[b.name] = anywhere;
    Description d;
    describe(d, shape, &addresses);
    return kernel.moved_bytes(d.args);
  }
  std::function<void(kernels::Stream)> bind(const kernels::KernelTable& table, const Shape& shape,
                                            const std::map<std::string, void*>& addresses,
                                            void* workspace) const override {
    const auto d = std::make_shared<Description>();  // arguments may point into it
    describe(*d, shape, &addresses);
    if constexpr (requires { d->args.workspace; }) d->args.workspace = workspace;
    return [d, launch = (table.*kernel_).launch](kernels::Stream stream) { launch(d->args, stream); };
  }
  void prepare(const Shape& shape, Doubles& values) const override {
    Description d;
    describe(d, shape);
    if constexpr (requires { d.prepare(values); }) d.prepare(values);
  }
  void reference(const Shape& shape, Doubles& values) const override {
    Description d;
    describe(d, shape);
    d.reference(values);
  }
  std::vector<double> noise(const Shape& shape, Doubles& values) const override {
    Description d;
    describe(d, shape);
    if constexpr (requires { d.noise(values); }) return d.noise(values);
    return {};
  }

 private:
  static Visit describe(Description& d, const Shape& shape,
                        const std::map<std::string, void*>* addresses = nullptr) {
    Visit visit(shape, addresses);
    d.describe(visit);
    return visit;
  }

  std::vector<Shape> shapes_;
  ContractOptions options_;
};

template <class Description>
std::unique_ptr<Contract> described(std::vector<Shape> shapes, ContractOptions options = {}) {
  return std::make_unique<DescribedContract<Description>>(std::move(shapes), options);
}

// Around the sizes of blocks and vectors, primes, and a model's own.
inline std::vector<Shape> counts() {
  std::vector<Shape> shapes;
  for (const double n : {0, 1, 2, 3, 5, 127, 128, 255, 256, 257, 1021, 1023, 1024, 1025, 4099, 64 * 784})
    shapes.push_back({{"count", n}});
  return shapes;
}
inline std::vector<Shape> matrices(const char* columns) {
  std::vector<Shape> shapes;
  for (const auto& [r, c] : std::vector<std::pair<double, double>>{{1, 1},
                                                                   {0, 7},
                                                                   {1, 17},
                                                                   {17, 1},
                                                                   {2, 3},
                                                                   {5, 10},
                                                                   {31, 32},
                                                                   {32, 31},
                                                                   {33, 33},
                                                                   {64, 10},
                                                                   {7, 129},
                                                                   {129, 7},
                                                                   {64, 784},
                                                                   {3, 1025},
                                                                   {1025, 3},
                                                                   {2, 4099}})
    shapes.push_back({{"rows", r}, {columns, c}});
  return shapes;
}

// Includes matrices whose rows are empty.
inline std::vector<Shape> all_matrices(const char* columns) {
  std::vector<Shape> shapes = matrices(columns);
  shapes.push_back({{"rows", 7}, {columns, 0}});
  return shapes;
}

inline Fill scaled(double scale, double offset = 0) { return {.scale = scale, .offset = offset}; }
inline Fill fan(std::int64_t terms) { return {.scale = 1 / std::sqrt(static_cast<double>(terms))}; }

}  // namespace cuelbo::lab
