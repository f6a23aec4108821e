// codes.npz: mean, logvar, z, the names of their columns, and logits_<group>, z_<group> of discrete groups.
#include <cmath>
#include <set>

#include "engine/error.hpp"
#include "engine/io/npz.hpp"
#include "models/codes.hpp"
#include "models/random_values.hpp"

namespace cuelbo {

namespace {

constexpr std::string_view logits_prefix = "logits_", z_prefix = "z_", names_array = "names";

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

// Non-negative, and of sum 1 in every item: logits are such by chance alone.
bool are_probabilities(const std::vector<float>& table, std::int64_t classes) {
  if (classes < 2) return false;
  const auto width = static_cast<std::size_t>(classes);
  for (std::size_t begin = 0; begin < table.size(); begin += width) {
    double sum = 0;
    for (std::size_t c = begin; c < begin + width; ++c) {
      if (table[c] < 0) return false;
      sum += table[c];
    }
    if (std::abs(sum - 1) > 1e-3) return false;
  }
  return true;
}

// Sorted, as the arrays are. A z_<group> alone counts only where samples suffice.
std::set<std::string> discrete_groups(const NpzReader& archive, bool samples_suffice) {
  std::set<std::string> groups;
  for (const std::string& name : archive.names())
    if (name.starts_with(logits_prefix))
      groups.insert(name.substr(logits_prefix.size()));
    else if (samples_suffice && name.starts_with(z_prefix))
      groups.insert(name.substr(z_prefix.size()));
  return groups;
}

}  // namespace

Codes read_codes(const std::string& path, std::uint64_t seed, CodesNeeded needed) {
  const NpzReader archive(path);
  const bool samples_suffice = needed == CodesNeeded::samples;
  const bool only_z = samples_suffice && archive.contains("z");
  const std::string first = only_z ? "z" : "mean";
  for (const std::string& name : {first, std::string(only_z ? "z" : "logvar")})
    if (!archive.contains(name))
      fail("'{}': array '{}' is missing: codes need {}mean and logvar, (n, D) each", path, name,
           samples_suffice ? "z, or " : "");
  const NpyHeader header = archive.header(first);
  if (header.shape.size() != 2)
    fail("'{}': array '{}' has shape {}, expected (n, D)", path, first, shape_text(header.shape));
  Codes codes{.items = header.shape[0], .dims = header.shape[1]};
  if (!only_z) {
    codes.mean = read_matrix(archive, path, "mean", codes.items, codes.dims);
    codes.logvar = read_matrix(archive, path, "logvar", codes.items, codes.dims);
    check_variances(path, codes);
  }
  if (archive.contains("z")) {
    codes.z = read_matrix(archive, path, "z", codes.items, codes.dims);
  } else {
    codes.z = standard_normal(seed, codes.items * codes.dims);
    for (std::size_t i = 0; i < codes.z.size(); ++i)
      codes.z[i] = codes.mean[i] + std::exp(codes.logvar[i] / 2) * codes.z[i];
  }
  if (!only_z)
    for (const char* name : {"mean", "z"})
      check_rounding(archive, path, name, "its deviation is too small",
                     [&](std::size_t i) { return std::exp(static_cast<double>(codes.logvar[i]) / 2); });
  if (archive.contains(names_array)) codes.names = read_names(archive, path, codes.dims);
  for (const std::string& group : discrete_groups(archive, samples_suffice)) {
    codes.discrete.push_back({.name = group});
    Codes::Discrete& found = codes.discrete.back();
    const std::string logits = fmt::format("{}{}", logits_prefix, group),
                      z = fmt::format("{}{}", z_prefix, group);
    if (archive.contains(z)) {
      found.z = read_matrix(archive, path, z, codes.items, -1);
      found.classes = std::ssize(found.z) / codes.items;
    }
    if (samples_suffice && !found.z.empty()) continue;
    found.logits = read_matrix(archive, path, logits, codes.items, found.z.empty() ? -1 : found.classes);
    found.classes = std::ssize(found.logits) / codes.items;
    if (are_probabilities(found.logits, found.classes))
      codes.notes.push_back(fmt::format(
          "'{}': array '{}' holds probabilities, it seems; write their logarithms", path, logits));
    check_rounding(archive, path, logits, "subtract the maximum of each row",
                   [](std::size_t) { return 1.0; });
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
