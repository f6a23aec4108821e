// From the schema of the configuration to a JSON Schema, which editors of TOML and scripts understand.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "models/config.hpp"
#include "models/config_schema.hpp"

namespace cuelbo {

namespace {

using Json = nlohmann::ordered_json;

Json number_of(const char* type, const Range& range) {
  const auto bound = [](double x) {
    return x == std::floor(x) && std::abs(x) < 1e15 ? Json(static_cast<std::int64_t>(x)) : Json(x);
  };
  Json json{{"type", type}};
  if (std::isfinite(range.least))
    json[range.least_excluded ? "exclusiveMinimum" : "minimum"] = bound(range.least);
  if (std::isfinite(range.most))
    json[range.most_excluded ? "exclusiveMaximum" : "maximum"] = bound(range.most);
  return json;
}

// With a fraction; none may be negative.
Json fraction_of(const Range& range) {
  Range held = range;
  if (held.least == 0)
    held = {.least = least_fraction, .most = range.most, .most_excluded = range.most_excluded};
  held.most = std::min(held.most, most_fraction);
  Json json = number_of("number", held);
  if (range.contains(0)) return {{"oneOf", {Json{{"const", 0}}, json}}};
  return json;
}

Json object_of(Json properties, const std::vector<std::string>& required = {}) {
  Json json{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) json["required"] = required;
  return json;
}

// The type of a field.
template <class T>
  requires std::is_integral_v<T>
Json type_of(const T&, const Range& range) {
  return number_of("integer", range);
}
Json type_of(double, const Range& range) { return fraction_of(range); }
Json type_of(const std::optional<double>&, const Range& range) {
  return {{"oneOf", {fraction_of(range), Json{{"enum", Json::array({"auto"})}}}}};
}
Json type_of(bool, Names) { return {{"type", "boolean"}}; }
Json type_of(const std::string&, Names names) {
  return names.empty() ? Json{{"type", "string"}} : Json{{"enum", names}};
}
template <class Enum>
  requires std::is_enum_v<Enum>
Json type_of(Enum, Names names) {
  return {{"enum", names}};
}
// None of its keys is required: a preset may supply the others.
Json type_of(const Schedule&, const Range& range) {
  const Json number = fraction_of(range);
  return {{"oneOf",
           {number,
            object_of({{"from", number}, {"to", number}, {"steps", number_of("integer", at_least(0))}})}}};
}
Json type_of(const std::map<std::string, Schedule>&, const Range& range) {
  return {{"type", "object"}, {"additionalProperties", type_of(Schedule{}, range)}};
}
Json type_of(const std::vector<std::int64_t>&, const Range& range) {
  return {{"type", "array"}, {"items", number_of("integer", range)}};
}

// Collects the properties of one table.
class SchemaWriter {
 public:
  template <class T, class Allowed>
  void field(std::string_view key, const T& value, const Allowed& allowed, std::string_view text) {
    add(key, type_of(value, allowed), text);
  }

  template <class Body>
  void section(std::string_view key, std::string_view text, Body body) {
    Json outer = std::exchange(properties_, Json::object());
    body();
    Json inner = std::exchange(properties_, std::move(outer));
    add(key, object_of(std::move(inner)), text);
  }

  // Layers have the keys of their kind; output_padding is bounded by a stride that is as large as can be.
  template <class Body>
  void list(std::string_view key, const std::vector<LayerConfig>&, std::string_view text, Body body) {
    Json kinds = Json::array();
    for (std::size_t kind = 0; kind < layer_names.size(); ++kind) {
      const LayerConfig layer{.kind = static_cast<LayerConfig::Kind>(kind), .stride = 1024};
      kinds.push_back(object_of(item(layer, body), {std::string(layer_names[kind])}));
    }
    add(key, {{"type", "array"}, {"items", {{"oneOf", kinds}}}}, text);
  }

  template <class Body>
  void list(std::string_view key, const std::vector<LatentConfig>&, std::string_view text, Body body) {
    Json gaussian = item(LatentConfig{}, body), discrete = item(LatentConfig{.discrete = 2}, body);
    gaussian["gaussian"]["minimum"] = 1;
    gaussian["discrete"]["maximum"] = 0;
    discrete["discrete"]["minimum"] = 2;
    discrete["gaussian"]["maximum"] = 0;
    add(key,
        {{"type", "array"},
         {"minItems", 1},
         {"items",
          {{"oneOf",
            {object_of(gaussian, {"name", "gaussian"}), object_of(discrete, {"name", "discrete"})}}}}},
        text);
  }

  template <class Kind>
  void kind(Names names, Kind kind, std::int64_t, const Range& range, std::string_view text) {
    add(names[static_cast<std::size_t>(kind)], number_of("integer", range), text);
  }

  void add(std::string_view key, Json type, std::string_view text) {
    if (!text.empty()) type["description"] = text;
    properties_[std::string(key)] = std::move(type);
  }

  Json properties_ = Json::object();

 private:
  template <class Item, class Body>
  Json item(const Item& value, Body body) {
    Json outer = std::exchange(properties_, Json::object());
    body(value);
    return std::exchange(properties_, std::move(outer));
  }
};

}  // namespace

std::string config_json_schema() {
  SchemaWriter writer;
  const RunConfig config;
  visit_config(writer, config);
  Json names = Json::array();
  for (const Preset& preset : presets()) names.push_back(preset.name);
  writer.add("base", {{"enum", names}}, "The preset that this configuration changes.");
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "The configuration of a cuelbo run"}};
  schema.update(object_of(std::move(writer.properties_)));
  const Json layers{{"required", {"layers"}}};
  schema["anyOf"] = {{{"required", {"base"}}},
                     {{"required", {"encoder", "decoder", "latent"}},
                      {"properties", {{"encoder", layers}, {"decoder", layers}}}}};
  return schema.dump(2);
}

}  // namespace cuelbo
