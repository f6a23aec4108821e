// A kernel contract as the lab sees it: the sizes it takes, its buffers and its reference, by name. One description of a
// contract serves checking, running and measuring every variant of it.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/io/array.hpp"
#include "kernels/kernel_table.hpp"

namespace cuelbo::lab {

// Sizes, choices and factors of a call by name, as `--shape` gives them.
using Shape = std::map<std::string, double>;
std::string to_string(const Shape& shape);   // rows=128,in=784
Shape parse_shape(const std::string& text);  // Throws UsageError.

enum class Role : std::uint8_t { input, output, updated };  // updated: read and written
const char* name_of(Role role);

// The default content of an input.
struct Fill {
  enum class Kind : std::uint8_t { normal, uniform, integers, probabilities, constant, index };
  Kind kind = Kind::normal;
  // normal and uniform in [0, 1): scale · x + offset; integers: of [offset, offset + scale); constant: scale
  double scale = 1, offset = 0;
  std::int64_t row = 1;  // probabilities: of this many classes, summing to one
};

struct Buffer {
  std::string name;
  Role role = Role::input;
  Dtype type = Dtype::f32;
  std::vector<std::int64_t> dims;
  Fill fill;
  bool factor = false;  // of products: what variants of lower precision round

  std::int64_t count() const;
  std::size_t bytes() const;
};

// The buffers of the reference, in double precision.
class Doubles {
 public:
  std::vector<double>& operator[](const std::string& name) { return values_[name]; }
  // Null for a buffer that this call does not have.
  double* operator()(const std::string& name) {
    const auto found = values_.find(name);
    return found == values_.end() || found->second.empty() ? nullptr : found->second.data();
  }

  // Names a user's values, which prepare() leaves as they are.
  void give(const std::string& name) { given_.insert(name); }
  bool given(const std::string& name) const { return given_.contains(name); }

  // A factor as it is multiplied, rounded by the variant's precision, and as it was.
  void round(const std::string& name, double (*rounded)(double)) {
    originals_[name] = values_[name];
    for (double& x : values_[name]) x = rounded(x);
  }
  double* original(const std::string& name) {
    const auto found = originals_.find(name);
    return found == originals_.end() ? (*this)(name) : found->second.data();
  }

 private:
  std::map<std::string, std::vector<double>> values_, originals_;
  std::set<std::string> given_;
};

// Goes through a contract's members once: sets the sizes, notes the buffers and, if there are addresses, sets the pointers.
class Visit {
 public:
  Visit(const Shape& shape, const std::map<std::string, void*>* addresses)
      : shape_(shape), addresses_(addresses) {}

  // A size is a whole number from `least` on, a factor any finite number that its type holds. UsageError for any other value.
  template <class T>
  void size(const char* name, T& member, double standard, double least = 0) {
    if constexpr (std::is_enum_v<T>) {
      static_assert(std::is_same_v<T, kernels::Activation>);
      member = static_cast<T>(whole(name, standard, 0, 4));
    } else if constexpr (std::is_integral_v<T>) {
      // Whole numbers up to here are exact in a double.
      const double most = std::is_same_v<T, std::int64_t> ? 0x1p53 - 1 : std::numeric_limits<T>::max();
      member = static_cast<T>(whole(name, standard, least, most));
    } else {
      using Limits = std::numeric_limits<T>;
      member = static_cast<T>(fits(name, number(name, standard), Limits::max(), Limits::denorm_min()));
    }
  }
  bool option(const char* name, bool standard) { return whole(name, standard ? 1 : 0, 0, 1) != 0; }
  double number(const char* name, double standard);
  // A further condition, such as "stride ≥ dims".
  void require(bool met, const char* what) const;

  template <class T>
  void input(const char* name, const T*& pointer, std::vector<std::int64_t> dims, Fill fill = {}) {
    pointer = static_cast<const T*>(add({name, Role::input, dtype_of<T>(), std::move(dims), fill}));
  }
  void factor(const char* name, const float*& pointer, std::vector<std::int64_t> dims, Fill fill = {}) {
    pointer = static_cast<const float*>(add({name, Role::input, Dtype::f32, std::move(dims), fill, true}));
  }
  void output(const char* name, float*& pointer, std::vector<std::int64_t> dims) {
    pointer = static_cast<float*>(add({name, Role::output, Dtype::f32, std::move(dims), {}}));
  }
  void updated(const char* name, float*& pointer, std::vector<std::int64_t> dims, Fill fill = {}) {
    pointer = static_cast<float*>(add({name, Role::updated, Dtype::f32, std::move(dims), fill}));
  }
  void counter(const char* name, const kernels::StepCounter*& pointer) {
    pointer = static_cast<const kernels::StepCounter*>(
        add({name, Role::input, Dtype::u64, {2}, {Fill::Kind::index}}));
  }

  const std::vector<Buffer>& buffers() const { return buffers_; }
  const Shape& used() const { return used_; }  // every size with its value

 private:
  static double fits(const char* name, double value, double most, double least_above_zero);
  double whole(const char* name, double standard, double least, double most);
  void* add(Buffer buffer);

  const Shape& shape_;
  const std::map<std::string, void*>* addresses_;
  std::vector<Buffer> buffers_;
  Shape used_;
};

// The effect of NaN and Inf in inputs. `spreads`: outputs are not finite where the reference is not, and right
// elsewhere; `exact`: NaN, Inf and −Inf exactly where the reference has them.
enum class NonFinite : std::uint8_t { unspecified, spreads, exact };

class Contract {
 public:
  virtual ~Contract() = default;

  virtual std::string_view name() const = 0;
  virtual const std::vector<Shape>& checked_shapes() const = 0;
  // |actual − reference| ≤ tolerance · (1 + |reference|) for fp32.
  virtual double tolerance() const = 0;
  // Small integers give integers, which every order of summation gives exactly.
  virtual bool exact_on_integers() const = 0;
  virtual NonFinite non_finite() const = 0;
  // The shapes, as --shape takes them, at which it is measured: layers of the convolutional model at large batches, and enough
  // elements to fill a GPU.
  virtual std::vector<const char*> measured() const = 0;
  // The shape at which it is executed on the CPU and counted: it takes seconds and shows what sets variants apart.
  virtual std::string counted() const = 0;

  // All sizes with their values. Throws UsageError for a name that the contract does not have or values that no call has,
  // Error if the buffers exceed this machine's memory.
  virtual Shape complete(const Shape& shape) const = 0;
  virtual std::vector<Buffer> buffers(const Shape& shape) const = 0;
  virtual kernels::Cost cost(const Shape& shape) const = 0;
  virtual std::size_t workspace(const kernels::KernelTable& table, const Shape& shape) const = 0;
  // The bytes that the kernel declares to move (Kernel::moved_bytes); empty if it declares none.
  virtual std::optional<std::int64_t> moved_bytes(const kernels::KernelTable& table,
                                                  const Shape& shape) const = 0;
  // The call with its arguments in place, to be launched as often as wanted.
  virtual std::function<void(kernels::Stream)> bind(const kernels::KernelTable& table, const Shape& shape,
                                                    const std::map<std::string, void*>& addresses,
                                                    void* workspace) const = 0;
  void launch(const kernels::KernelTable& table, const Shape& shape,
              const std::map<std::string, void*>& addresses, void* workspace, kernels::Stream stream) const {
    bind(table, shape, addresses, workspace)(stream);
  }
  // Replaces inputs that have to fit others and are not given.
  virtual void prepare(const Shape& shape, Doubles& values) const = 0;
  virtual void reference(const Shape& shape, Doubles& values) const = 0;
  // The standard normals that the outputs in `values` were made of; empty: they cannot be told.
  virtual std::vector<double> noise(const Shape& shape, Doubles& values) const = 0;
};

// In the order of the kernel table.
const std::vector<std::unique_ptr<Contract>>& contracts();

const Contract& find_contract(std::string_view kernel);  // of a kernel that there is

}  // namespace cuelbo::lab
