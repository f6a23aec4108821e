#include "engine/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "engine/closest_name.hpp"
#include "engine/io/atomic_file.hpp"
#include "engine/io/input_file.hpp"

namespace cuelbo {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t max_header_bytes = 16 << 20;  // of 100,000 tensors; JSON of 100 MB takes seconds
constexpr std::string_view metadata_key = "__metadata__";

// In the order of Dtype.
constexpr std::array<std::string_view, dtype_count> dtype_codes{
    "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64"};

struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // in the data that follow the header
};

std::uint64_t unsigned_number(const Json& value, std::string_view what) {
  if (!value.is_number_unsigned()) fail("{} is not a natural number", what);
  return value.get<std::uint64_t>();
}

const Json& member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) fail("'{}' is missing in the header", key);
  return *found;
}

Dtype dtype_from(const Json& code) {
  if (!code.is_string()) fail("'dtype' is not a string");
  const auto found = std::ranges::find(dtype_codes, code.get_ref<const std::string&>());
  if (found == dtype_codes.end())
    fail("dtype '{}' is not supported; {} are", code.get_ref<const std::string&>(),
         fmt::join(dtype_codes, ", "));
  return static_cast<Dtype>(found - dtype_codes.begin());
}

Entry entry_from(const std::string& name, const Json& description) {
  if (!description.is_object()) fail("its description is not an object");
  Entry entry{name, dtype_from(member(description, "dtype")), {}, 0, 0};
  const Json& shape = member(description, "shape");
  if (!shape.is_array()) fail("'shape' is not a list");
  for (const Json& extent : shape)
    entry.shape.push_back(static_cast<std::int64_t>(unsigned_number(extent, "a dimension")));
  const Json& offsets = member(description, "data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) fail("'data_offsets' is not a pair");
  entry.begin = unsigned_number(offsets[0], "an offset");
  entry.end = unsigned_number(offsets[1], "an offset");
  const auto bytes =
      static_cast<std::uint64_t>(element_count(entry.shape, entry.dtype)) * dtype_size(entry.dtype);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes)
    fail("offsets {} to {} do not hold the {} bytes of {} {}", entry.begin, entry.end, bytes,
         dtype_name(entry.dtype), shape_text(entry.shape));
  return entry;
}

std::map<std::string, std::string> metadata_from(const Json& object) {
  std::map<std::string, std::string> metadata;
  if (!object.is_object()) fail("{} is not an object", metadata_key);
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail("{}: '{}' is not a string", metadata_key, key);
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

// The entries in the order of the file, checked to tile `data_bytes` without hole or overlap.
std::vector<Entry> entries_from(const Json& header, std::uint64_t data_bytes) {
  std::vector<Entry> entries;
  for (const auto& [name, description] : header.items()) {
    if (name == metadata_key) continue;
    entries.push_back(
        in_context(fmt::format("tensor '{}'", name), [&] { return entry_from(name, description); }));
  }
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position)
      fail("tensor '{}' {} the one before it", entry.name,
           entry.begin < position ? "overlaps" : "leaves a hole after");
    position = entry.end;
  }
  if (position > data_bytes) fail("truncated: the tensors take {} bytes, {} are there", position, data_bytes);
  if (position < data_bytes) fail("{} bytes follow the last tensor", data_bytes - position);
  return entries;
}

// Refuses duplicate keys, of which the parser silently keeps one. (The callback of Json::parse could check this too, but
// takes time quadratic in the number of tensors.)
class StrictHeader final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return start(); }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return start(); }
  bool end_array() override { return end(); }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) fail("its header names '{}' twice", key);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool start() {
    constexpr std::size_t max_depth = 8;
    keys_.emplace_back();
    if (keys_.size() > max_depth)
      fail("is not a safetensors file: its header nests deeper than {}", max_depth);
    return true;
  }
  bool end() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::unordered_set<std::string>> keys_;  // of the objects around; empty for an array
};

Json parse_header(const std::string& text) {
  StrictHeader strict;
  if (!Json::sax_parse(text, &strict)) return {};
  return Json::parse(text, nullptr, false);
}

Json read_header(InputFile& file, std::uint64_t& data_bytes) {
  std::array<std::uint8_t, 8> length_bytes{};
  const std::uint64_t file_bytes = file.size().value_or(0);
  if (file_bytes < length_bytes.size()) fail("truncated: {} bytes are not a safetensors file", file_bytes);
  read_exactly(file.source(), std::as_writable_bytes(std::span(length_bytes)), "the header");
  std::uint64_t length = 0;
  for (const std::uint8_t byte : length_bytes | std::views::reverse) length = length << 8 | byte;
  const std::uint64_t rest = file_bytes - length_bytes.size();
  if (length > max_header_bytes)
    fail("is not a safetensors file: it declares a header of {} bytes, at most {} are allowed", length,
         max_header_bytes);
  if (length > rest) fail("truncated: the header takes {} bytes, {} are there", length, rest);
  std::string text(length, '\0');
  read_exactly(file.source(), std::as_writable_bytes(std::span(text)), "the header");
  data_bytes = rest - length;
  Json header = parse_header(text);
  if (!header.is_object()) fail("is not a safetensors file: its header is not a JSON object");
  return header;
}

}  // namespace

const Array& Safetensors::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    fail("there is no tensor '{}'{}", name, did_you_mean(name, std::views::keys(tensors)));
  return found->second;
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  return in_context(fmt::format("'{}'", path.string()), [&] {
    InputFile file(path);
    std::uint64_t data_bytes = 0;
    const Json header = read_header(file, data_bytes);
    Safetensors content;
    if (const auto found = header.find(metadata_key); found != header.end())
      content.metadata = metadata_from(*found);
    for (Entry& entry : entries_from(header, data_bytes)) {
      auto data = read_bytes(file.source(), entry.end - entry.begin, "the tensor");
      content.tensors.emplace(entry.name, Array{entry.dtype, std::move(entry.shape), std::move(data)});
    }
    return content;
  });
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::ranges::sort(tensors, {}, [](const TensorView& t) {
    return std::pair(-static_cast<int>(dtype_size(t.dtype)), std::string_view(t.name));
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(metadata_key)] = metadata;
  std::uint64_t position = 0;
  for (const TensorView& tensor : tensors) {
    if (tensor.name == metadata_key || header.contains(tensor.name))
      fail("cannot write '{}': two tensors are named '{}'", path.string(), tensor.name);
    if (static_cast<std::uint64_t>(element_count(tensor.shape, tensor.dtype)) * dtype_size(tensor.dtype) !=
        tensor.data.size())
      fail("cannot write '{}': {} bytes do not fill tensor '{}' of shape {}", path.string(),
           tensor.data.size(), tensor.name, shape_text(tensor.shape));
    header[tensor.name] = {{"dtype", dtype_codes[static_cast<std::size_t>(tensor.dtype)]},
                           {"shape", tensor.shape},
                           {"data_offsets", {position, position + tensor.data.size()}}};
    position += tensor.data.size();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::array<std::uint8_t, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i)
    length[i] = static_cast<std::uint8_t>(text.size() >> (8 * i));

  AtomicFile file(path);
  file.write(std::as_bytes(std::span(length)));
  file.write(text);
  for (const TensorView& tensor : tensors) file.write(tensor.data);
  file.commit();
}

void write_safetensors(const std::filesystem::path& path, const Safetensors& content) {
  std::vector<TensorView> views;
  for (const auto& [name, array] : content.tensors)
    views.push_back({name, array.dtype, array.shape, array.data});
  write_safetensors(path, std::move(views), content.metadata);
}

}  // namespace cuelbo
