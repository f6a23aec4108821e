#include "models/checkpoint.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/error.hpp"

namespace cuelbo {

namespace {

constexpr const char* format_name = "cuelbo checkpoint";
constexpr const char* format_version = "1";

using Kind = ParameterSet::Kind;
constexpr std::array<std::pair<Kind, const char*>, 3> kinds{
    {{Kind::value, ""}, {Kind::first_moment, "adam.first."}, {Kind::second_moment, "adam.second."}}};

// Calls visit(index, kind, tensor name) for everything that a checkpoint holds.
template <class Visit>
void for_each_tensor(const ParameterSet& parameters, bool with_moments, Visit visit) {
  for (int i = 0; i < std::ssize(parameters.parameters()); ++i)
    for (const auto& [kind, prefix] : kinds)
      if (kind == Kind::value || (with_moments && parameters.parameter(i).trained))
        visit(i, kind, prefix + parameters.parameter(i).name);
}

using Bytes = std::map<std::string, std::span<const std::byte>>;

class Crc32 {
 public:
  void add(std::span<const std::byte> bytes) {
    if (!bytes.empty())  // zlib resets the CRC when given a null pointer
      crc_ = crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  }
  std::string text() const { return fmt::format("{:08x}", crc_); }

 private:
  uLong crc_ = crc32(0, nullptr, 0);
};

std::string checksum(const Bytes& tensors) {
  Crc32 crc;
  for (const auto& [name, bytes] : tensors) crc.add(bytes);
  return crc.text();
}

template <class Number>
Number number(const std::string& text, const char* key) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail("metadata '{}' is '{}', not a number", key, text);
  return value;
}

CheckpointInfo parse_info(const std::map<std::string, std::string>& metadata) {
  const auto value = [&](const char* key) -> const std::string& {
    const auto found = metadata.find(key);
    if (found == metadata.end()) fail("metadata '{}' is missing", key);
    return found->second;
  };
  if (const auto format = metadata.find("format"); format == metadata.end() || format->second != format_name)
    fail("is not a training checkpoint");
  if (value("version") != format_version)
    fail("is a checkpoint of version {}, this program reads version {}", value("version"), format_version);
  CheckpointInfo info;
  info.state.step = number<std::int64_t>(value("step"), "step");
  if (metadata.contains("best_validation_elbo")) {
    info.state.has_validation = true;
    info.state.best_validation_elbo = number<double>(value("best_validation_elbo"), "best_validation_elbo");
  }
  info.image = {number<std::int64_t>(value("height"), "height"),
                number<std::int64_t>(value("width"), "width"),
                number<std::int64_t>(value("channels"), "channels")};
  for (const std::int64_t extent : {info.image.height, info.image.width, info.image.channels})
    if (extent < 1 || extent > 65536)
      fail("metadata declares images of {}×{}×{}", info.image.height, info.image.width, info.image.channels);
  info.arithmetic = value("arithmetic");
  if (metadata.contains("data_checksum"))
    info.fingerprint = {.config = value("config"),
                        .items = number<std::int64_t>(value("data_items"), "data_items"),
                        .height = info.image.height,
                        .width = info.image.width,
                        .channels = info.image.channels,
                        .stored = parse_pixel_type(value("data_stored")),
                        .checksum = value("data_checksum")};
  return info;
}

}  // namespace

std::string weights_checksum(ParameterSet& parameters) {
  std::map<std::string, Array> tensors;
  for (int i = 0; i < std::ssize(parameters.parameters()); ++i)
    tensors.emplace(parameters.parameter(i).name,
                    make_array(parameters.parameter(i).shape, parameters.read(i)));
  return tensor_checksum(tensors);
}

std::string metadata_checksum(const std::map<std::string, std::string>& metadata) {
  Crc32 crc;
  for (const auto& [key, value] : metadata)
    if (key != metadata_checksum_key)
      for (const std::string* text : {&key, &value})
        crc.add(std::as_bytes(std::span(text->c_str(), text->size() + 1)));
  return crc.text();
}

void write_checkpoint(const std::string& path, ParameterSet& parameters, const CheckpointInfo& info) {
  parameters.device().synchronize();
  std::vector<std::vector<float>> values;
  std::vector<TensorView> views;
  Bytes bytes;
  for_each_tensor(parameters, true, [&](int index, Kind kind, const std::string& name) {
    values.push_back(parameters.read(index, kind));
    if (!std::all_of(values.back().begin(), values.back().end(), [](float x) { return std::isfinite(x); }))
      fail("checkpoint '{}' is not written: '{}' holds NaN or Inf", path, name);
    bytes[name] = std::as_bytes(std::span(values.back()));
    views.push_back(
        {.name = name, .dtype = Dtype::f32, .shape = parameters.parameter(index).shape, .data = bytes[name]});
  });
  std::map<std::string, std::string> metadata{{"format", format_name},
                                              {"version", format_version},
                                              {"step", fmt::format("{}", info.state.step)},
                                              {"height", fmt::format("{}", info.image.height)},
                                              {"width", fmt::format("{}", info.image.width)},
                                              {"channels", fmt::format("{}", info.image.channels)},
                                              {"arithmetic", info.arithmetic},
                                              {"crc32", checksum(bytes)}};
  if (info.state.has_validation)
    metadata["best_validation_elbo"] = fmt::format("{}", info.state.best_validation_elbo);
  if (const Fingerprint& fingerprint = info.fingerprint; !fingerprint.empty()) {
    metadata["config"] = fingerprint.config;
    metadata["data_items"] = fmt::format("{}", fingerprint.items);
    metadata["data_stored"] = dtype_name(fingerprint.stored);
    metadata["data_checksum"] = fingerprint.checksum;
  }
  metadata[metadata_checksum_key] = metadata_checksum(metadata);
  write_safetensors(path, std::move(views), metadata);
}

Checkpoint read_checkpoint(const std::string& path) {
  Checkpoint checkpoint{.content = read_safetensors(path)};
  in_context(fmt::format("'{}'", path), [&] {
    const auto& metadata = checkpoint.content.metadata;
    checkpoint.info = parse_info(metadata);
    // Old programs did not write it.
    const auto seal = metadata.find(metadata_checksum_key);
    if (seal != metadata.end() && seal->second != metadata_checksum(metadata))
      fail("is damaged: its checksum is not that of its metadata");
    const auto crc = checkpoint.content.metadata.find("crc32");
    if (crc == checkpoint.content.metadata.end() ||
        crc->second != tensor_checksum(checkpoint.content.tensors))
      fail("is damaged: its checksum is not that of its tensors");
  });
  return checkpoint;
}

std::string tensor_checksum(const std::map<std::string, Array>& tensors) {
  Bytes bytes;
  for (const auto& [name, array] : tensors) bytes[name] = array.data;
  return checksum(bytes);
}

Dtype parse_pixel_type(const std::string& name) {
  for (std::size_t i = 0; i < dtype_count; ++i)
    if (dtype_name(static_cast<Dtype>(i)) == name) return static_cast<Dtype>(i);
  fail("metadata says that pixels are '{}', which is not a type", name);
}

void restore(ParameterSet& parameters, const Safetensors& content, bool with_moments, const char* model) {
  std::map<std::string, bool> used;
  for (const auto& [name, array] : content.tensors) used[name] = name.starts_with("adam.") && !with_moments;
  for_each_tensor(parameters, with_moments, [&](int index, Kind kind, const std::string& name) {
    const Array& array = content.tensor(name);
    const Shape& shape = parameters.parameter(index).shape;
    if (array.dtype != Dtype::f32 || array.shape != shape)
      fail("tensor '{}' is {} {}, {} has float32 {}", name, dtype_name(array.dtype), shape_text(array.shape),
           model, shape_text(shape));
    parameters.write(index, array.as<float>(), kind);
    used[name] = true;
  });
  for (const auto& [name, was_used] : used)
    if (!was_used) fail("tensor '{}' is not in {}", name, model);
}

}  // namespace cuelbo
