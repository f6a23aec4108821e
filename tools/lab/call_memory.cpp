#include "tools/lab/call_memory.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace cuelbo::lab {

namespace {

constexpr std::size_t guard_bytes = 4096;
constexpr std::byte unwritten{0xff};

// Differs from place to place and from buffer to buffer, so that a copy of a guard shows too.
std::byte sentinel(std::size_t buffer, std::size_t at) {
  return static_cast<std::byte>((at + 977 * buffer) * 0x9e3779b97f4a7c15U >> 56);
}

}  // namespace

void check_call_fits_in_memory(std::span<const Buffer> buffers) {
  std::uint64_t bytes = 0, drawn = 0;
  for (const Buffer& buffer : buffers) {
    check_fits_in_memory(bytes += buffer.bytes());  // each: a multiple of the sum does not overflow
    if (buffer.role != Role::output)
      drawn = std::max(drawn, sizeof(double) * static_cast<std::uint64_t>(buffer.count()));
  }
  // The host's two copies, the device's, and a result; while inputs are drawn there are fewer.
  check_fits_in_memory(std::max(4 * bytes, 2 * bytes + drawn));
}

CallMemory::CallMemory(Device& device, std::vector<Buffer> buffers, std::size_t workspace_bytes,
                       std::size_t shift)
    : device_(device), buffers_(std::move(buffers)) {
  buffers_.push_back({.name = "workspace",
                      .role = Role::output,
                      .type = Dtype::u8,
                      .dims = {static_cast<std::int64_t>(workspace_bytes)}});
  check_call_fits_in_memory(buffers_);
  const std::size_t guard = device.name() == "simt-checked" ? 0 : guard_bytes;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    Piece& piece = pieces_.emplace_back();
    piece.begin = guard + (buffers_[i].type == Dtype::f32 ? shift : 0);
    piece.host.resize(std::max<std::size_t>(piece.begin + buffers_[i].bytes() + guard, 1));
    for (std::size_t b = 0; b < piece.host.size(); ++b) piece.host[b] = sentinel(i, b);
    std::ranges::fill(host(i), unwritten);
    piece.memory = DeviceMemory(device, piece.host.size());
  }
}

std::map<std::string, void*> CallMemory::addresses() const {
  std::map<std::string, void*> result;
  for (std::size_t i = 0; i + 1 < buffers_.size(); ++i)
    result[buffers_[i].name] = pieces_[i].memory.data() + pieces_[i].begin;
  return result;
}

void CallMemory::upload() {
  for (Piece& piece : pieces_) {
    piece.before = piece.host;
    device_.upload(piece.memory.data(), piece.host.data(), piece.host.size());
  }
}

void CallMemory::download() {
  for (Piece& piece : pieces_) device_.download(piece.host.data(), piece.memory.data(), piece.host.size());
}

std::string CallMemory::wrong_write() const {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const Buffer& buffer = buffers_[i];
    const std::size_t end = piece.begin + buffer.bytes();
    const auto changed = [&](std::size_t b) { return piece.host[b] != sentinel(i, b); };
    for (std::size_t b = piece.begin; b > 0; --b)
      if (changed(b - 1))
        return fmt::format("writes {} bytes in front of '{}'", (piece.begin - b) / 4 * 4 + 4, buffer.name);
    for (std::size_t b = end; b < piece.host.size(); ++b)
      if (changed(b)) return fmt::format("writes {} bytes behind '{}'", (b - end) / 4 * 4, buffer.name);
    if (buffer.role == Role::input && piece.host != piece.before)
      return fmt::format("changes its input '{}'", buffer.name);
  }
  return {};
}

bool not_written(const std::byte* fp32) {
  return std::all_of(fp32, fp32 + sizeof(float), [](std::byte b) { return b == unwritten; });
}

void make_written(std::span<std::byte> fp32) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t at = 0; at < fp32.size(); at += sizeof(float))
    if (not_written(&fp32[at])) std::memcpy(&fp32[at], &nan, sizeof nan);
}

}  // namespace cuelbo::lab
