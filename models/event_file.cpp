#include "models/event_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>

#include "engine/error.hpp"

namespace cuelbo {

static_assert(std::endian::native == std::endian::little, "event files are little-endian");

namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = c;
  }
  return table;
}();

std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xa282ead8U;
}

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// ---- protocol buffers

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string field(int number, Wire wire, std::string_view content) {
  std::string bytes = varint(static_cast<std::uint64_t>(number) << 3 | static_cast<std::uint64_t>(wire));
  if (wire == Wire::bytes) bytes += varint(content.size());
  return bytes.append(content);
}

std::string event(double wall_time, std::int64_t step) {
  return field(1, Wire::fixed64, raw(wall_time)) +
         field(2, Wire::varint, varint(static_cast<std::uint64_t>(step)));
}

std::string record(std::string_view data) {
  const std::string length = raw(static_cast<std::uint64_t>(data.size()));
  return length + raw(masked_crc(length)) + std::string(data) + raw(masked_crc(data));
}

// The next record's data, taken off the front; none at the end or in front of a damaged record.
std::optional<std::string_view> take_record(std::string_view& bytes) {
  constexpr std::size_t overhead = sizeof(std::uint64_t) + 2 * sizeof(std::uint32_t);
  std::uint64_t length = 0;
  std::uint32_t crc = 0;
  if (bytes.size() < overhead) return {};
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - overhead) return {};
  const std::string_view data = bytes.substr(sizeof length + sizeof crc, length);
  std::memcpy(&crc, data.data() + length, sizeof crc);
  if (crc != masked_crc(data)) return {};
  bytes.remove_prefix(overhead + length);
  return data;
}

// The step of an event that this file wrote: wall_time (9 bytes), then the step.
std::int64_t event_step(std::string_view data) {
  constexpr std::size_t at = 10;
  std::uint64_t step = 0;
  for (std::size_t i = 0; at + i < data.size() && i < 9; ++i) {
    const auto byte = static_cast<unsigned char>(data[at + i]);
    step |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) break;
  }
  return static_cast<std::int64_t>(step);
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr std::string_view prefix = "events.out.tfevents.", suffix = ".cuelbo";

std::string newest_event_file(const std::string& directory) {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (is_event_file_name(name)) newest = std::max(newest, name);
  }
  if (newest.empty()) newest = fmt::format("{}{:010}{}", prefix, static_cast<std::int64_t>(now()), suffix);
  return directory + "/" + newest;
}

}  // namespace

bool is_event_file_name(std::string_view name) { return name.starts_with(prefix) && name.ends_with(suffix); }

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = (crc >> 8) ^ crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const std::string& directory, std::int64_t step) : file_(newest_event_file(directory)) {
  continue_after(step);
}

bool EventFile::follow(const std::string& directory, std::int64_t step) {
  if (!file_.follow(std::filesystem::path(directory) / std::filesystem::path(path()).filename()))
    return false;
  continue_after(step);
  return true;
}

void EventFile::continue_after(std::int64_t step) {
  const std::string content = file_.content();
  std::string_view rest = content;
  std::size_t kept = 0;
  for (auto data = take_record(rest); data && event_step(*data) <= step; data = take_record(rest))
    kept = content.size() - rest.size();
  file_.cut_back(kept);
  is_new_ = kept == 0;
  if (is_new_) file_.append(record(event(now(), 0) + field(3, Wire::bytes, "brain.Event:2")));
}

void EventFile::write(std::int64_t step, double wall_time, const Scalars& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    summary += field(1, Wire::bytes, field(1, Wire::bytes, tag) + field(2, Wire::fixed32, raw(value)));
  file_.append(record(event(wall_time, step) + field(5, Wire::bytes, summary)));
}

}  // namespace cuelbo
