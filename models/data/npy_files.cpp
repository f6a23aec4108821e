// Images from .npy and .npz.
#include "engine/error.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "models/data/folder_content.hpp"
#include "models/data/image_files.hpp"
#include "models/data/npz_images.hpp"
#include "models/data/unsupported_formats.hpp"

namespace cuelbo {

namespace fs = std::filesystem;

std::unique_ptr<Dataset> load_npy(const fs::path& path, const FileOptions& options) {
  return in_context(input_name(path), [&] {
    InputFile file(path, Pipes::accepted);
    const auto begins = [&](std::string_view magic) {
      const auto bytes = file.peek(magic.size());
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == magic;
    };
    if (!file.reopens() && (begins("\x89PNG") || begins("\xff\xd8\xff")))
      fail("is a picture, not an array; --set data.name=images reads it");
    if (!file.reopens() && !begins("\x93NUMPY")) {
      const auto bytes = file.peek(format_bytes);
      const std::string_view start(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (const std::string format = unsupported_format(start, path);
          !format.empty() && !begins("PK\x03\x04"))
        fail("is {}", format);
    }
    if (begins("\x1f\x8b")) fail("is compressed by gzip, which is supported for IDX files only; unpack it");
    if (starts_like_zip(file) || (path.extension() == ".npz" && !begins("\x93NUMPY"))) {
      const NpzReader archive(file);
      return make_dataset(read_npz_images(archive, data_name(path), options.array), options);
    }
    if (!options.array.empty())
      usage_fail("data.array is '{}', but this is a single array without a name", options.array);
    return make_dataset({.name = data_name(path), .images = read_npy(file.source(), file.size())}, options);
  });
}

}  // namespace cuelbo
