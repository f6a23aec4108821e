// The device memory of one call of a kernel: every buffer is between sentinels, so that a write outside it is detected.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/device.hpp"
#include "tools/lab/contract.hpp"

namespace cuelbo::lab {

// Buffers and workspace begin as not_written(). The device that sees accesses outside of allocated memory gets exactly
// that, without sentinels.
class CallMemory {
 public:
  // Buffers are aligned to 64 bytes at least; those of fp32 stand `shift` bytes behind that.
  CallMemory(Device& device, std::vector<Buffer> buffers, std::size_t workspace_bytes, std::size_t shift = 0);

  std::span<const Buffer> buffers() const { return {buffers_.data(), buffers_.size() - 1}; }
  // The host's copy of buffer i.
  std::span<std::byte> host(std::size_t i) {
    return std::span(pieces_[i].host).subspan(pieces_[i].begin, buffers_[i].bytes());
  }

  std::map<std::string, void*> addresses() const;
  void* workspace() const { return pieces_.back().memory.data() + pieces_.back().begin; }

  void upload();
  void download();

  // The first write outside the outputs that download() found; empty if there is none.
  std::string wrong_write() const;

 private:
  struct Piece {
    std::size_t begin = 0;  // of the buffer
    std::vector<std::byte> host, before;
    DeviceMemory memory;
  };

  Device& device_;
  std::vector<Buffer> buffers_;  // the last one is the workspace
  std::vector<Piece> pieces_;
};

// Error when the copies of all buffers need more than this machine's memory.
void check_call_fits_in_memory(std::span<const Buffer> buffers);

// A NaN that no instruction makes of anything else, so an element that holds it was not written, or made of such.
bool not_written(const std::byte* fp32);
// Makes inputs that hold it another NaN.
void make_written(std::span<std::byte> fp32);

}  // namespace cuelbo::lab
