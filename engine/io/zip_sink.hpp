// Makes libzip write an archive to an open file instead of to its own temporary files.
#pragma once

#include <sys/types.h>
#include <zip.h>

namespace cuelbo {

// The archive starts at the start of the file.
class ZipSink {
 public:
  explicit ZipSink(int descriptor) : descriptor_(descriptor) {}
  ZipSink(const ZipSink&) = delete;
  ZipSink& operator=(const ZipSink&) = delete;

  // A new archive, whose zip_close() writes the file. This object must outlive it. Throws Error.
  zip_t* open();

 private:
  static zip_int64_t callback(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command);
  zip_int64_t handle(void* data, zip_uint64_t length, zip_source_cmd_t command);
  zip_int64_t write(const void* data, zip_uint64_t length);

  int descriptor_;
  off_t position_ = 0, size_ = 0;
  zip_error_t error_{};
};

}  // namespace cuelbo
