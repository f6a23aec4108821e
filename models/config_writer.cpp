// From a configuration to TOML, and the reference of its keys.
#include <algorithm>
#include <array>
#include <span>

#include <fmt/ranges.h>

#include "models/config.hpp"
#include "models/config_schema.hpp"

namespace cuelbo {

namespace {

// Group names may be keys with characters that a bare key must not have.
std::string key_text(std::string_view key) {
  const bool bare = !key.empty() && key.find_first_not_of(
                                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                                        std::string_view::npos;
  return bare ? std::string(key) : toml_string(key);
}

template <class Allowed>
std::string value_text(const std::string& value, const Allowed&) {
  return toml_string(value);
}

std::string value_text(bool value, Names names) { return std::string(names[value ? 1 : 0]); }

template <class T>
  requires std::is_integral_v<T>
std::string value_text(T value, const Range&) {
  return fmt::format("{}", value);
}

// The shortest text that reads back as the same number.
std::string value_text(double value, const Range&) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string value_text(const std::optional<double>& value, const Range& range) {
  return value ? value_text(*value, range) : toml_string("auto");
}

template <class Enum>
  requires std::is_enum_v<Enum>
std::string value_text(Enum value, Names names) {
  return toml_string(names[static_cast<std::size_t>(value)]);
}

std::string value_text(const std::vector<std::int64_t>& values, const Range&) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

std::string value_text(const Schedule& schedule, const Range& range) {
  if (schedule.from == schedule.to && schedule.steps == 0) return value_text(schedule.to, range);
  return fmt::format("{{ from = {}, to = {}, steps = {} }}", value_text(schedule.from, range),
                     value_text(schedule.to, range), schedule.steps);
}

std::string value_text(const std::map<std::string, Schedule>& schedules, const Range& range) {
  std::vector<std::string> parts;
  for (const auto& [name, schedule] : schedules)
    parts.push_back(fmt::format("{} = {}", key_text(name), value_text(schedule, range)));
  return parts.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(parts, ", "));
}

// Keys that are empty are left out.
bool is_empty(const std::string& value) { return value.empty(); }
bool is_empty(const std::map<std::string, Schedule>& value) { return value.empty(); }
bool is_empty(const std::vector<std::int64_t>& value) { return value.empty(); }
template <class T>
bool is_empty(const T&) {
  return false;
}

// Collects "key = value" parts of one inline table.
class InlineWriter {
 public:
  template <class T, class Allowed>
  void field(std::string_view key, const T& value, const Allowed& allowed, std::string_view) {
    if (!is_empty(value)) parts_.push_back(fmt::format("{} = {}", key, value_text(value, allowed)));
  }
  // Settings without effect are omitted: a layer without batch norm, a latent without classes.
  template <class Allowed>
  void field(std::string_view key, bool value, const Allowed& names, std::string_view) {
    if (value) parts_.push_back(fmt::format("{} = {}", key, value_text(value, names)));
  }
  template <class Kind>
  void kind(Names names, Kind kind, std::int64_t units, const Range&, std::string_view) {
    parts_.push_back(fmt::format("{} = {}", names[static_cast<std::size_t>(kind)], units));
  }
  const std::vector<std::string>& parts() const { return parts_; }
  std::string text() const { return fmt::format("{{ {} }}", fmt::join(parts_, ", ")); }

 private:
  std::vector<std::string> parts_;
};

// A latent has either dimensions or classes.
class LatentWriter : public InlineWriter {
 public:
  using InlineWriter::field;
  void field(std::string_view key, std::int64_t value, const Range& range, std::string_view text) {
    if (value > 0) InlineWriter::field(key, value, range, text);
  }
};

class TomlWriter {
 public:
  // Writes all keys and sections, or only those in the list.
  explicit TomlWriter(std::span<const std::string_view> only = {}) : only_(only) {}

  template <class T, class Allowed>
  void field(std::string_view key, const T& value, const Allowed& allowed, std::string_view text) {
    if (inline_) return inline_->field(key, value, allowed, text);
    if constexpr (std::is_same_v<T, bool>) {
      if (!value) return;  // no bool of a section has an effect when it is false
    }
    if (!is_empty(value) && wanted(key)) text_ += fmt::format("{} = {}\n", key, value_text(value, allowed));
  }

  // A section inside a section is one line.
  template <class Body>
  void section(std::string_view key, std::string_view, Body body) {
    if (depth_ > 0) {
      InlineWriter writer;
      inline_ = &writer;
      body();
      inline_ = nullptr;
      if (wanted(key)) text_ += fmt::format("{} = {}\n", key, writer.text());
      return;
    }
    const std::size_t before = text_.size();
    text_ += fmt::format("\n[{}]\n", key);
    const std::size_t empty = text_.size();
    ++depth_;
    section_ = key;
    body();
    section_ = {};
    --depth_;
    if (text_.size() == empty) text_.resize(before);
  }

  template <class Body>
  void list(std::string_view key, const std::vector<LayerConfig>& layers, std::string_view, Body) {
    if (!wanted(key)) return;
    text_ += fmt::format("{} = [", key);
    for (const LayerConfig& layer : layers) {
      InlineWriter writer;
      visit_layer(writer, layer);
      text_ += fmt::format("\n  {},", writer.text());
    }
    text_ += layers.empty() ? "]\n" : "\n]\n";
  }

  template <class Body>
  void list(std::string_view key, const std::vector<LatentConfig>& latents, std::string_view, Body) {
    for (const LatentConfig& latent : latents) {
      LatentWriter writer;
      visit_latent(writer, latent);
      text_ += fmt::format("\n[[{}]]\n{}\n", key, fmt::join(writer.parts(), "\n"));
    }
  }

  const std::string& text() const { return text_; }

 private:
  bool wanted(std::string_view key) const {
    if (only_.empty()) return true;
    const std::string path = section_.empty() ? std::string(key) : fmt::format("{}.{}", section_, key);
    return std::ranges::find(only_, section_) != only_.end() || std::ranges::find(only_, path) != only_.end();
  }

  std::span<const std::string_view> only_;
  std::string_view section_;
  std::string text_;
  int depth_ = 0;
  InlineWriter* inline_ = nullptr;
};

// Collects keys and values one by one.
class FlatWriter {
 public:
  template <class T, class Allowed>
  void field(std::string_view key, const T& value, const Allowed& allowed, std::string_view) {
    values_.emplace_back(prefix_ + std::string(key), value_text(value, allowed));
  }
  template <class Body>
  void section(std::string_view key, std::string_view, Body body) {
    const std::string outer = prefix_;
    prefix_ += fmt::format("{}.", key);
    body();
    prefix_ = outer;
  }
  template <class Item, class Body>
  void list(std::string_view key, const std::vector<Item>& items, std::string_view, Body) {
    for (std::size_t i = 0; i < items.size(); ++i)
      values_.emplace_back(fmt::format("{}{}.{}", prefix_, key, i), inline_text(items[i]));
  }
  std::vector<std::pair<std::string, std::string>> values() && { return std::move(values_); }

 private:
  static std::string inline_text(const LayerConfig& layer) {
    InlineWriter writer;
    visit_layer(writer, layer);
    return writer.text();
  }
  static std::string inline_text(const LatentConfig& latent) {
    LatentWriter writer;
    visit_latent(writer, latent);
    return writer.text();
  }

  std::string prefix_;
  std::vector<std::pair<std::string, std::string>> values_;
};

// Lists keys with their defaults, their values and their meaning.
class ReferenceWriter {
 public:
  struct Key {
    std::string path, default_value, allowed, text;
    bool is_text = false;  // its value is a string
  };

  template <class T, class Allowed>
  void field(std::string_view key, const T& value, const Allowed& allowed, std::string_view text) {
    add(key, is_empty(value) ? "" : value_text(value, allowed), allowed, text,
        std::is_same_v<T, std::string> || std::is_enum_v<T>);
  }
  template <class Body>
  void section(std::string_view key, std::string_view text, Body body) {
    const std::string outer = prefix_;
    if (!text.empty()) add(key, "", Names{}, text);
    prefix_ += fmt::format("{}.", key);
    body();
    prefix_ = outer;
  }
  template <class Item, class Body>
  void list(std::string_view key, const std::vector<Item>&, std::string_view text, Body body) {
    const std::string outer = prefix_;
    add(key, "", Names{}, text);
    prefix_ += fmt::format("{}.", key);
    if constexpr (std::is_same_v<Item, LayerConfig>) {
      for (const auto kind :
           {LayerConfig::Kind::linear, LayerConfig::Kind::conv, LayerConfig::Kind::conv_transpose}) {
        const LayerConfig layer{.kind = kind};
        body(layer);
      }
    } else {
      for (const std::int64_t classes : {0, 2}) {
        const LatentConfig latent{.discrete = classes};
        body(latent);
      }
    }
    prefix_ = outer;
  }
  template <class Kind>
  void kind(Names names, Kind, std::int64_t, const Range& range, std::string_view text) {
    for (const std::string_view name : names) add(name, "", range, text);
  }
  const std::vector<Key>& keys() const { return keys_; }

 private:
  static std::string allowed_text(const Range& range) { return to_string(range); }
  static std::string allowed_text(Names names) { return fmt::format("{}", fmt::join(names, ", ")); }

  template <class Allowed>
  void add(std::string_view key, std::string default_value, const Allowed& allowed, std::string_view text,
           bool is_text = false) {
    std::string path = prefix_ + std::string(key);
    for (const Key& known : keys_)
      if (known.path == path) return;
    keys_.push_back(
        {std::move(path), std::move(default_value), allowed_text(allowed), std::string(text), is_text});
  }

  std::string prefix_;
  std::vector<Key> keys_;
};

std::vector<ReferenceWriter::Key> reference_keys() {
  ReferenceWriter writer;
  const RunConfig defaults;
  visit_config(writer, defaults);
  return writer.keys();
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04X}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string to_toml(const RunConfig& config) {
  TomlWriter writer;
  visit_config(writer, config);
  return writer.text();
}

std::vector<std::pair<std::string, std::string>> config_values(const RunConfig& config) {
  FlatWriter writer;
  visit_config(writer, config);
  return std::move(writer).values();
}

std::string model_toml(const RunConfig& config) {
  constexpr std::array<std::string_view, 10> keys{
      "seed",       "precision",     "data.name", "data.layout", "data.transpose",
      "data.scale", "data.binarize", "encoder",   "decoder",     "latent"};
  TomlWriter writer(keys);
  visit_config(writer, config);
  return writer.text();
}

const std::vector<std::string>& config_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> paths;
    for (const ReferenceWriter::Key& key : reference_keys()) paths.push_back(key.path);
    return paths;
  }();
  return keys;
}

bool is_text_key(std::string_view key) {
  static const std::vector<ReferenceWriter::Key> keys = reference_keys();
  return std::ranges::any_of(keys, [&](const auto& known) { return known.is_text && known.path == key; });
}

std::string config_reference() {
  std::string table = "| key | default | values | meaning |\n| --- | --- | --- | --- |\n";
  for (ReferenceWriter::Key& key : reference_keys()) {
    if (key.path.starts_with("decoder.layers.")) continue;  // the same as those of the encoder
    if (const std::string layers = "encoder.layers."; key.path.starts_with(layers))
      key.path.replace(0, layers.size(), "….layers.");
    const std::string value = key.default_value.empty() ? "" : fmt::format("`{}`", key.default_value);
    table += fmt::format("| `{}` | {} | {} | {} |\n", key.path, value, key.allowed, key.text);
  }
  return table;
}

}  // namespace cuelbo
