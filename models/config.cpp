// From TOML to a configuration.
#include "models/config.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "engine/closest_name.hpp"
#include "engine/error.hpp"
#include "engine/io/input_file.hpp"
#include "models/config_layers.hpp"
#include "models/config_schema.hpp"

namespace cuelbo {

namespace {

// Visits the schema along a table; every key that the schema does not ask for is an error.
class ConfigReader {
 public:
  ConfigReader(const toml::table& root, std::string_view source) : source_(source) { enter("", root); }

  // A key that is missing may have been misspelled: unknown ones are reported first.
  void finish() {
    leave();
    if (!missing_.empty()) usage_fail("{}: {} is missing", source_, missing_);
  }

  template <class T, class Allowed>
  void field(std::string_view key, T& value, const Allowed& allowed, std::string_view /*text*/) {
    if (const toml::node* node = take(key)) read(*node, full(key), value, allowed);
  }

  template <class Body>
  void section(std::string_view key, std::string_view /*text*/, Body body) {
    static const toml::table nothing;
    const toml::node* node = take(key);
    if (node != nullptr && !node->is_table()) wrong_type(*node, full(key), "a table");
    enter(full(key), node == nullptr ? nothing : *node->as_table());
    body();
    leave();
  }

  template <class Item, class Body>
  void list(std::string_view key, std::vector<Item>& items, std::string_view /*text*/, Body body) {
    const std::string path = full(key);
    const toml::node* node = take(key);
    if (node == nullptr) {
      if (missing_.empty()) missing_ = path;
      return;
    }
    const toml::array* array = node->as_array();
    if (array == nullptr) wrong_type(*node, path, "a list of tables");
    items.assign(array->size(), Item{});
    for (std::size_t i = 0; i < items.size(); ++i) {
      const toml::node& element = (*array)[i];
      const std::string element_path = fmt::format("{}.{}", path, i);
      if (!element.is_table()) wrong_type(element, element_path, "a table");
      enter(element_path, *element.as_table());
      body(items[i]);
      leave();
    }
  }

  template <class Kind>
  void kind(Names names, Kind& kind, std::int64_t& units, const Range& range, std::string_view /*text*/) {
    const Level& level = levels_.back();
    int found = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const toml::node* node = take(names[i]);
      if (node == nullptr) continue;
      ++found;
      kind = static_cast<Kind>(i);
      read(*node, full(names[i]), units, range);
    }
    if (found == 1) return;
    std::string hint;
    for (auto&& [key, value] : *level.table)
      if (found == 0 && hint.empty()) hint = did_you_mean(key.str(), names);
    usage_fail("{}: {} must have {} of the keys {}{}", position(*level.table, source_), level.path,
               found == 0 ? "one" : "only one", fmt::join(names, ", "), hint);
  }

 private:
  struct Level {
    std::string path;
    const toml::table* table;
    std::vector<std::string> known;
  };

  void enter(std::string path, const toml::table& table) { levels_.push_back({std::move(path), &table, {}}); }

  void leave() {
    const Level& level = levels_.back();
    for (auto&& [key, node] : *level.table)
      if (std::find(level.known.begin(), level.known.end(), key.str()) == level.known.end())
        unknown(level, key, node);
    levels_.pop_back();
  }

  std::string full(std::string_view key) const {
    const std::string& path = levels_.back().path;
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }

  const toml::node* take(std::string_view key) {
    levels_.back().known.emplace_back(key);
    return levels_.back().table->get(key);
  }

  [[noreturn]] void unknown(const Level& level, const toml::key& key, const toml::node& node) const {
    const std::string path = full(key.str()), place = position(*first_placed(node), source_);
    const std::vector<std::string>& all = config_keys();
    if (std::find(all.begin(), all.end(), without_indices(path)) != all.end())
      usage_fail("{}: key '{}' does not apply here; the keys here are {}", place, path,
                 fmt::join(level.known, ", "));
    const auto nearest = [&]() -> std::string {
      const auto sibling = closest(key.str(), level.known);
      if (sibling && edit_distance(key.str(), *sibling) <= 2) return full(*sibling);
      for (const std::string& other : all)
        if (std::string_view(other).ends_with(fmt::format(".{}", key.str()))) return other;
      return sibling ? full(*sibling) : closest(path, all).value_or("");
    }();
    if (nearest.empty())
      usage_fail("{}: unknown key '{}'; the keys here are {}", place, path, fmt::join(level.known, ", "));
    usage_fail("{}: unknown key '{}'; did you mean '{}'?", place, path, nearest);
  }

  // "encoder.layers.0.conv" → "encoder.layers.conv"
  static std::string without_indices(std::string_view path) {
    std::string result;
    for (std::size_t begin = 0, end = 0; begin <= path.size(); begin = end + 1) {
      end = std::min(path.find('.', begin), path.size());
      const std::string_view step = path.substr(begin, end - begin);
      if (step.find_first_not_of("0123456789") == std::string_view::npos) continue;
      if (!result.empty()) result += '.';
      result += step;
    }
    return result;
  }

  // A table made by an override has no position: take that of the first value in it.
  static const toml::node* first_placed(const toml::node& node) {
    const toml::table* table = node.as_table();
    if (node.source().path || table == nullptr || table->empty()) return &node;
    return first_placed(table->begin()->second);
  }

  [[noreturn]] void wrong_type(const toml::node& node, std::string_view path, std::string_view wanted) const {
    usage_fail("{}: {} must be {}", position(*first_placed(node), source_), path, wanted);
  }

  // For a number beyond 2^63, which an override makes a floating-point one.
  static std::string limit_of(const toml::node& node) {
    const bool beyond = node.value_or(0.0) >= static_cast<double>(std::numeric_limits<std::int64_t>::max());
    return beyond ? fmt::format(", at most {}", std::numeric_limits<std::int64_t>::max()) : "";
  }

  template <class T>
  void check(const toml::node& node, std::string_view path, T value, const Range& range) const {
    const auto number = static_cast<double>(value);
    if (!range.contains(number))
      usage_fail("{}: {} is {}; it must be {}", position(node, source_), path, value,
                 std::isfinite(number) ? to_string(range) : "finite");
  }

  template <class Integer>
    requires std::is_integral_v<Integer>
  void read(const toml::node& node, std::string_view path, Integer& value, const Range& range) const {
    if (!node.is_integer()) wrong_type(node, path, fmt::format("a whole number{}", limit_of(node)));
    const std::int64_t number = node.as_integer()->get();
    check(node, path, number, range);
    value = static_cast<Integer>(number);
  }

  void read(const toml::node& node, std::string_view path, bool& value, Names) const {
    if (!node.is_boolean()) wrong_type(node, path, "true or false");
    value = node.as_boolean()->get();
  }

  void read(const toml::node& node, std::string_view path, double& value, const Range& range) const {
    if (!node.is_number()) wrong_type(node, path, "a number");
    value =
        node.is_integer() ? static_cast<double>(node.as_integer()->get()) : node.as_floating_point()->get();
    check(node, path, value, range);
    if (value != 0 && (std::abs(value) < least_fraction || std::abs(value) > most_fraction))
      usage_fail("{}: {} is {}; it must be {}between {} and {}", position(node, source_), path, value,
                 range.contains(0) ? "0 or " : "", least_fraction, most_fraction);
  }

  void read(const toml::node& node, std::string_view path, std::optional<double>& value,
            const Range& range) const {
    value.reset();
    if (node.is_string() && node.as_string()->get() == "auto") return;
    if (!node.is_number()) wrong_type(node, path, "\"auto\" or a number");
    read(node, path, value.emplace(), range);
  }

  void read(const toml::node& node, std::string_view path, std::string& value, Names names) const {
    if (!node.is_string()) wrong_type(node, path, "a string");
    value = node.as_string()->get();
    if (names.empty() || std::find(names.begin(), names.end(), value) != names.end()) return;
    usage_fail("{}: {} is '{}'; it must be one of {}{}", position(node, source_), path, value,
               fmt::join(names, ", "), did_you_mean(value, names));
  }

  template <class Enum>
    requires std::is_enum_v<Enum>
  void read(const toml::node& node, std::string_view path, Enum& value, Names names) const {
    std::string name;
    read(node, path, name, names);
    value = static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
  }

  void read(const toml::node& node, std::string_view path, Schedule& schedule, const Range& range) {
    if (node.is_number()) {
      double value = 0;
      read(node, path, value, range);
      schedule = Schedule::constant(value);
      return;
    }
    if (!node.is_table()) wrong_type(node, path, "a number or { from, to, steps }");
    enter(std::string(path), *node.as_table());
    for (const char* key : {"from", "to", "steps"})
      if (!node.as_table()->contains(key))
        usage_fail("{}: {}.{} is missing", position(node, source_), path, key);
    field("from", schedule.from, range, "");
    field("to", schedule.to, range, "");
    field("steps", schedule.steps, at_least(0), "");
    leave();
  }

  void read(const toml::node& node, std::string_view path, std::map<std::string, Schedule>& schedules,
            const Range& range) {
    if (!node.is_table()) wrong_type(node, path, "a table of group names");
    schedules.clear();
    for (auto&& [key, value] : *node.as_table())
      read(value, fmt::format("{}.{}", path, key.str()), schedules[std::string(key.str())], range);
  }

  void read(const toml::node& node, std::string_view path, std::vector<std::int64_t>& values,
            const Range& range) const {
    if (!node.is_array()) wrong_type(node, path, "a list of whole numbers");
    values.clear();
    for (const toml::node& element : *node.as_array()) {
      std::int64_t value = 0;
      read(element, path, value, range);
      values.push_back(value);
    }
  }

  std::string source_, missing_;
  std::vector<Level> levels_;
};

bool is_name(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), plain);
}

void check_latents(const RunConfig& config) {
  if (config.latents.empty()) usage_fail("latent is empty: a model needs at least one group");
  std::set<std::string> names{"root"};
  for (const LatentConfig& latent : config.latents) {
    if (!is_name(latent.name))
      usage_fail("a latent is named '{}'; a name is made of letters, digits, _ and -", latent.name);
    if (!names.insert(latent.name).second)
      usage_fail("latent '{}': the name is {}", latent.name,
                 latent.name == "root" ? "that of the whole tree" : "used twice");
    if ((latent.gaussian > 0) == (latent.discrete > 0))
      usage_fail("latent '{}' must have either gaussian (dimensions) or discrete (classes)", latent.name);
    if (latent.discrete == 1) usage_fail("latent '{}' has 1 class; discrete must be at least 2", latent.name);
  }
  for (const LatentConfig& latent : config.latents) {
    if (latent.inside.empty()) continue;
    for (std::size_t begin = 0, end = 0; begin <= latent.inside.size(); begin = end + 1) {
      end = std::min(latent.inside.find('/', begin), latent.inside.size());
      const std::string group = latent.inside.substr(begin, end - begin);
      if (!is_name(group))
        usage_fail("latent '{}': inside is '{}'; it must be a name, or names with / between them",
                   latent.name, latent.inside);
      if (names.contains(group))
        usage_fail(
            "latent '{}': inside names '{}', which is a latent; a group of groups needs a name of its own",
            latent.name, group);
    }
  }
}

void check_layers(const RunConfig& config) {
  const auto check = [](const NetworkConfig& network, std::string_view key, LayerConfig::Kind unwanted) {
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      const LayerConfig& layer = network.layers[i];
      if (layer.kind == unwanted)
        usage_fail("{}.layers.{}: {} is not allowed in the {}", key, i,
                   layer_names[static_cast<std::size_t>(unwanted)], key);
      if (layer.reshape.empty()) continue;
      if (layer.reshape.size() != 3)
        usage_fail("{}.layers.{}.reshape must be [height, width, channels]", key, i);
      const double product = static_cast<double>(layer.reshape[0]) * static_cast<double>(layer.reshape[1]) *
                             static_cast<double>(layer.reshape[2]);
      if (product != static_cast<double>(layer.units))
        usage_fail("{}.layers.{}.reshape {} does not hold {} features", key, i, layer.reshape, layer.units);
    }
  };
  check(config.encoder, "encoder", LayerConfig::Kind::conv_transpose);
  check(config.decoder, "decoder", LayerConfig::Kind::conv);
}

void check_objective(const ObjectiveConfig& objective) {
  if (objective.preset != "vae") return;
  const auto is_one = [](const Schedule& s) { return s.from == 1 && s.to == 1; };
  if (is_one(objective.mutual_information) && is_one(objective.between_group_tc) &&
      is_one(objective.within_group_tc) && is_one(objective.dimension_kl) && objective.group_tc.empty())
    return;
  usage_fail("objective.preset 'vae' has all coefficients 1; preset 'hfvae' takes others");
}

RunConfig read_config(const toml::table& table, std::string_view source) {
  RunConfig config;
  ConfigReader reader(table, source);
  visit_config(reader, config);
  reader.finish();
  in_context(source, [&] {
    if (config.data.validation_fraction + config.data.test_fraction >= 1)
      usage_fail("data.validation_fraction and data.test_fraction leave nothing to train on");
    if (config.batch_size < 2 && config.objective.estimator != "batch")
      usage_fail("objective.estimator '{}' needs data.batch_size of at least 2", config.objective.estimator);
    check_layers(config);
    check_latents(config);
    check_objective(config.objective);
  });
  return config;
}

}  // namespace

RunConfig parse_config(std::string_view toml, std::string_view source,
                       const std::vector<std::string>& overrides) {
  toml::table table = with_base(parse_toml(toml, source), source);
  std::vector<std::string> settings;
  for (const std::string& text : overrides) {
    settings.push_back(text);
    if (text.starts_with("data.scale="))  // stated for the data that is read
      settings.emplace_back("data.scale_of=any");
  }
  apply_overrides(table, settings);
  return read_config(table, source);
}

RunConfig with_settings(const RunConfig& config, const std::vector<std::string>& settings) {
  return settings.empty() ? config : parse_config(to_toml(config), "--set", settings);
}

RunConfig load_config(const std::string& preset_or_path, const std::vector<std::string>& overrides) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.name == preset_or_path)
      return parse_config(preset.toml, fmt::format("preset {}", preset.name), overrides);
    names.emplace_back(preset.name);
  }
  if (!std::filesystem::exists(preset_or_path) && preset_or_path.find_first_of("./") == std::string::npos)
    usage_fail("'{}' is neither a preset nor a file{}; the presets are {}", preset_or_path,
               did_you_mean(preset_or_path, names), fmt::join(names, ", "));
  const auto bytes =
      in_context(fmt::format("'{}'", preset_or_path), [&] { return read_file(preset_or_path); });
  return parse_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, preset_or_path, overrides);
}

}  // namespace cuelbo
