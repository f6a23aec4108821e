#include "engine/io/zip_sink.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/error.hpp"

namespace cuelbo {

zip_t* ZipSink::open() {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source = zip_source_function_create(callback, this, &error);
  zip_t* const zip = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_TRUNCATE, &error);
  if (zip != nullptr) return zip;
  const std::string why = zip_error_strerror(&error);
  zip_source_free(source);
  zip_error_fini(&error);
  fail("{}", why);
}

zip_int64_t ZipSink::callback(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
  return static_cast<ZipSink*>(self)->handle(data, length, command);
}

zip_int64_t ZipSink::handle(void* data, zip_uint64_t length, zip_source_cmd_t command) {
  switch (command) {
    case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&error_, data, length);
    case ZIP_SOURCE_STAT: {
      auto& stat = *static_cast<zip_stat_t*>(data);
      zip_stat_init(&stat);
      stat.size = static_cast<zip_uint64_t>(size_);
      stat.valid |= ZIP_STAT_SIZE;
      return sizeof(stat);
    }
    case ZIP_SOURCE_BEGIN_WRITE: position_ = 0; return 0;
    case ZIP_SOURCE_WRITE: return write(data, length);
    case ZIP_SOURCE_TELL_WRITE: return position_;
    case ZIP_SOURCE_SEEK_WRITE: {
      const zip_int64_t to = zip_source_seek_compute_offset(
          static_cast<zip_uint64_t>(position_), static_cast<zip_uint64_t>(size_), data, length, &error_);
      if (to < 0) return -1;
      position_ = to;
      return 0;
    }
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_FREE: return 0;
    default: zip_error_set(&error_, ZIP_ER_OPNOTSUPP, 0); return -1;
  }
}

// All of it: libzip knows no reason for a short write.
zip_int64_t ZipSink::write(const void* data, zip_uint64_t length) {
  const auto* const bytes = static_cast<const char*>(data);
  for (zip_uint64_t done = 0; done < length;) {
    const ssize_t written = pwrite(descriptor_, bytes + done, length - done, position_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      zip_error_set(&error_, ZIP_ER_WRITE, errno);
      return -1;
    }
    done += static_cast<zip_uint64_t>(written);
    position_ += written;
  }
  size_ = std::max(size_, position_);
  return static_cast<zip_int64_t>(length);
}

}  // namespace cuelbo
