// codes.npz: mean, logvar, z, the names of their columns, and logits_<group>, z_<group> of discrete groups.
#include <cmath>

#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "models/codes.hpp"
#include "models/random_values.hpp"

namespace cuelbo {

namespace {

constexpr std::string_view logits_prefix = "logits_", names_array = "names";

std::vector<float> read_matrix(const NpzReader& archive, const std::string& path, const std::string& name,
                               std::int64_t rows, std::int64_t columns) {
  const Array array = archive.read(name);
  const bool fits =
      array.rank() == 2 && (rows < 0 || array.shape[0] == rows) && (columns < 0 || array.shape[1] == columns);
  if (!fits) {
    const auto extent = [](std::int64_t n, const char* letter) {
      return n < 0 ? std::string(letter) : std::to_string(n);
    };
    fail("'{}': array '{}' has shape {}, expected ({}, {})", path, name, shape_text(array.shape),
         extent(rows, "n"), extent(columns, "D"));
  }
  if (array.size() == 0) fail("'{}': array '{}' is empty", path, name);
  std::vector<float> values = array.as_f32();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      fail("'{}': array '{}' has {} in row {}, column {}", path, name, values[i],
           i / static_cast<std::size_t>(array.shape[1]), i % static_cast<std::size_t>(array.shape[1]));
  return values;
}

std::vector<std::string> read_names(const NpzReader& archive, const std::string& path, std::int64_t dims) {
  if (archive.is_text(names_array))
    if (std::vector<std::string> names = archive.read_text(names_array); std::ssize(names) == dims)
      return names;
  fail("'{}': array 'names' must be text of shape ({},), a name for each column; without it columns count",
       path, dims);
}

void check_variances(const std::string& path, const Codes& codes) {
  for (std::size_t i = 0; i < codes.logvar.size(); ++i)
    if (std::abs(codes.logvar[i]) > 80)
      fail("'{}': array 'logvar' has {} in row {}: log-variances must be in [-80, 80]", path, codes.logvar[i],
           i / static_cast<std::size_t>(codes.dims));
}

// Terms are computed in float32. Error if it cannot hold a float64 array to a thousandth of unit(i), the scale on which
// element i counts.
template <class Unit>
void check_rounding(const NpzReader& archive, const std::string& path, const std::string& name,
                    const char* advice, Unit unit) {
  if (!archive.contains(name) || archive.header(name).dtype != Dtype::f64) return;
  const Array array = archive.read(name);
  const auto columns = static_cast<std::size_t>(array.shape[1]);
  const auto values = array.as<double>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::abs(values[i] - static_cast<double>(static_cast<float>(values[i]))) > 1e-3 * unit(i))
      fail("'{}': array '{}' has {} in row {}, column {}, which float32 does not hold precisely enough: {}",
           path, name, values[i], i / columns, i % columns, advice);
}

}  // namespace

Codes read_codes(const std::string& path, std::uint64_t seed) {
  const NpzReader archive(path);
  for (const char* name : {"mean", "logvar"})
    if (!archive.contains(name))
      fail("'{}': array '{}' is missing: codes need mean and logvar, (n, D) each", path, name);
  const NpyHeader header = archive.header("mean");
  if (header.shape.size() != 2)
    fail("'{}': array 'mean' has shape {}, expected (n, D)", path, shape_text(header.shape));
  Codes codes{.items = header.shape[0], .dims = header.shape[1]};
  codes.mean = read_matrix(archive, path, "mean", codes.items, codes.dims);
  codes.logvar = read_matrix(archive, path, "logvar", codes.items, codes.dims);
  check_variances(path, codes);
  if (archive.contains("z")) {
    codes.z = read_matrix(archive, path, "z", codes.items, codes.dims);
  } else {
    codes.z = standard_normal(seed, codes.items * codes.dims);
    for (std::size_t i = 0; i < codes.z.size(); ++i)
      codes.z[i] = codes.mean[i] + std::exp(codes.logvar[i] / 2) * codes.z[i];
  }
  for (const char* name : {"mean", "z"})
    check_rounding(archive, path, name, "its deviation is too small",
                   [&](std::size_t i) { return std::exp(static_cast<double>(codes.logvar[i]) / 2); });
  if (archive.contains(names_array)) codes.names = read_names(archive, path, codes.dims);
  for (const std::string& name : archive.names()) {
    if (!name.starts_with(logits_prefix)) continue;
    Codes::Discrete group{.name = name.substr(logits_prefix.size())};
    group.logits = read_matrix(archive, path, name, codes.items, -1);
    check_rounding(archive, path, name, "subtract the maximum of each row", [](std::size_t) { return 1.0; });
    group.classes = std::ssize(group.logits) / codes.items;
    if (archive.contains("z_" + group.name))
      group.z = read_matrix(archive, path, "z_" + group.name, codes.items, group.classes);
    codes.discrete.push_back(std::move(group));
  }
  return codes;
}

void write_codes(const std::string& path, const Codes& codes) {
  NpzWriter writer(path);
  const std::vector<std::int64_t> shape{codes.items, codes.dims};
  writer.add("mean", make_array(shape, codes.mean));
  writer.add("logvar", make_array(shape, codes.logvar));
  if (!codes.z.empty()) writer.add("z", make_array(shape, codes.z));
  if (!codes.names.empty()) writer.add_text(std::string(names_array), codes.names);
  for (const Codes::Discrete& group : codes.discrete) {
    const std::vector<std::int64_t> table{codes.items, group.classes};
    writer.add("logits_" + group.name, make_array(table, group.logits));
    if (!group.z.empty()) writer.add("z_" + group.name, make_array(table, group.z));
  }
  writer.commit();
}

}  // namespace cuelbo
