#include "models/model_file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "engine/error.hpp"
#include "models/config_schema.hpp"
#include "models/version.hpp"

namespace cuelbo {

namespace {

constexpr const char* format_name = "cuelbo";
constexpr int newest_version = 2;

std::int64_t number(std::string_view text, const char* key) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail("metadata '{}' holds '{}', which is not a whole number", key, text);
  return value;
}

// "8 8 1"
ImageShape parse_image(std::string_view text) {
  ImageShape image;
  for (std::int64_t* const extent : {&image.height, &image.width, &image.channels}) {
    const std::size_t end = std::min(text.find(' '), text.size());
    *extent = number(text.substr(0, end), "image");
    if (*extent < 1 || *extent > 65536) fail("metadata 'image' declares an extent of {}", *extent);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!text.empty()) fail("metadata 'image' holds more than three extents");
  return image;
}

struct ModelInfo {
  RunConfig config;
  ImageShape image;
  std::int64_t step = 0;
  std::optional<Dtype> stored;
};

ModelInfo parse_info(const Safetensors& file) {
  const auto find = [&](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::string() : found->second;
  };
  const auto value = [&](const char* key) {
    if (!file.metadata.contains(key)) fail("metadata '{}' is missing", key);
    return find(key);
  };
  const std::string format = find("format");
  if (format == "cuelbo checkpoint")
    fail("is a checkpoint of a training run, not an exported model; give the directory of its run");
  if (format != format_name) fail("is not a model that `cuelbo export` wrote");
  const std::int64_t version = number(value("format_version"), "format_version");
  if (version < 1 || version > newest_version)
    fail("is an exported model of version {}; this program reads versions 1 to {}", version, newest_version);
  // Version 1 had no checksum.
  if (version > 1 && value("crc32") != tensor_checksum(file.tensors))
    fail("is damaged: its checksum is not that of its tensors");
  if (version > 1 && value(metadata_checksum_key) != metadata_checksum(file.metadata))
    fail("is damaged: its checksum is not that of its metadata");
  const char* const key = version == 1 ? "config" : "model";
  return {.config = parse_config(value(key), fmt::format("metadata '{}'", key)),
          .image = parse_image(value("image")),
          .step = number(value("step"), "step"),
          .stored = file.metadata.contains("stored") ? std::optional(parse_pixel_type(find("stored")))
                                                     : std::nullopt};
}

// A bad file is a failure, not a usage error.
template <class F>
auto failing(F&& f) {
  try {
    return f();
  } catch (const UsageError& error) {
    throw Error(error.what());
  }
}

}  // namespace

void write_model_file(const std::filesystem::path& path, const LoadedModel& loaded) {
  Safetensors file;
  const auto& parameters = loaded.parameters->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::vector<float> values = loaded.parameters->read(static_cast<int>(i));
    if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); }))
      fail("'{}' is not written: '{}' holds NaN or Inf", path.string(), parameters[i].name);
    file.tensors.emplace(parameters[i].name, make_array(parameters[i].shape, values));
  }
  const ImageShape image = loaded.model->image();
  file.metadata = {{"format", format_name},
                   {"format_version", std::to_string(newest_version)},
                   {"model", model_toml(loaded.model->config())},
                   {"image", fmt::format("{} {} {}", image.height, image.width, image.channels)},
                   {"step", std::to_string(loaded.state.step)},
                   {"version", std::string(version())},
                   {"crc32", tensor_checksum(file.tensors)}};
  if (loaded.stored) file.metadata["stored"] = dtype_name(*loaded.stored);
  file.metadata[metadata_checksum_key] = metadata_checksum(file.metadata);
  write_safetensors(path, file);
}

LoadedModel load_model_file(const std::filesystem::path& path, const DeviceOptions& options) {
  const Safetensors file = read_safetensors(path);
  return in_context(fmt::format("'{}'", path.string()), [&] {
    const ModelInfo info = failing([&] { return parse_info(file); });
    DeviceOptions with_precision = options;
    if (!with_precision.precision) with_precision.precision = info.config.precision;
    LoadedModel loaded{.device = open_device(with_precision), .checkpoint = path.string()};
    loaded.parameters = std::make_unique<ParameterSet>(*loaded.device);
    loaded.model =
        failing([&] { return std::make_unique<Hfvae>(*loaded.parameters, info.config, info.image); });
    restore(*loaded.parameters, file, /*with_moments=*/false, "the model that it describes");
    loaded.state.step = info.step;
    loaded.stored = info.stored;
    return loaded;
  });
}

}  // namespace cuelbo
