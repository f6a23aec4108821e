// TensorBoard's event files: records (TFRecord framing) that hold Event messages of scalars.
//
//   record  length (u64) · masked crc32c of the length · data · masked crc32c of the data; little-endian
//   Event   wall_time = 1 (double), step = 2 (varint), file_version = 3 (string), summary = 5 { value = 1 { tag = 1, simple_value = 2 (float) } }
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/append_file.hpp"

namespace cuelbo {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
std::uint32_t crc32c(std::string_view bytes);

// Whether a file is one that EventFile writes. TensorBoard's own writers end the name otherwise.
bool is_event_file_name(std::string_view name);

using Scalars = std::vector<std::pair<std::string, float>>;  // tag, value

class EventFile {
 public:
  // Goes on with the newest event file of a directory, cut back to events of at most `step`, or begins one.
  EventFile(const std::string& directory, std::int64_t step);
  // As AppendFile::follow: the file of this name in `directory`, continued after `step`.
  bool follow(const std::string& directory, std::int64_t step);

  void write(std::int64_t step, double wall_time, const Scalars& scalars);  // seconds since 1970
  void sync() { file_.sync(); }
  const std::string& path() const { return file_.path(); }
  bool is_new() const { return is_new_; }  // held no events when it was opened

 private:
  void continue_after(std::int64_t step);

  AppendFile file_;
  bool is_new_ = true;
};

}  // namespace cuelbo
